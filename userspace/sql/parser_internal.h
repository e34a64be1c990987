/* SPDX-License-Identifier: MIT */
/*
 * parser_internal - what parser.c (the daemon's side) and parser_process.c (keeper and worker) say to each
 * other: one message of a SOCK_SEQPACKET for each question and each answer.
 */
#ifndef MO_PARSER_INTERNAL_H
#define MO_PARSER_INTERNAL_H

#include "sql/parser.h"

struct parser_question {
	uint64_t serial; /* of the question, from 1 */
	uint64_t key;
	uint64_t len; /* of text */
	char text[NAMING_INPUT_MAX];
};

struct parser_answer {
	uint64_t key;
	bool died; /* a worker did, over this text */
	struct naming naming;
};

#define PARSER_QUESTION_HEAD offsetof(struct parser_question, text)

/* Never returns; fd is the only descriptor that is left open. */
void parser_keep(int fd, const struct parser_options *options) __attribute__((noreturn));

#endif
