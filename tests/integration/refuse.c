/* SPDX-License-Identifier: MIT */
/*
 * refuse - runs a program for which the kernel lacks something: refuse CALL[:ARGUMENT]=ERROR... -- PROGRAM...
 *
 * ARGUMENT is the first one's value (a command of bpf(), an option of prctl()), ERROR is EPERM, EINVAL,
 * ENODEV or ENOSYS.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int error_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = {{"EPERM", EPERM}, {"EINVAL", EINVAL}, {"ENODEV", ENODEV}, {"ENOSYS", ENOSYS}};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (strcmp(name, errors[i].name) == 0)
			return errors[i].number;
	return -1;
}

static int add_rule(scmp_filter_ctx filter, char *rule)
{
	char *error = strchr(rule, '='), *argument;
	int call, number;

	if (!error)
		return -EINVAL;
	*error++ = '\0';
	argument = strchr(rule, ':');
	if (argument)
		*argument++ = '\0';
	call = seccomp_syscall_resolve_name(rule);
	number = error_number(error);
	if (call == __NR_SCMP_ERROR || number < 0)
		return -EINVAL;
	if (!argument)
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(number), call, 0);
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(number), call, 1,
				SCMP_A0(SCMP_CMP_EQ, strtoul(argument, NULL, 10), 0));
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int i;

	/* As root it keeps its capabilities: what is refused is refused by the filter alone. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (add_rule(filter, argv[i]))
			return fprintf(stderr, "refuse: %s: not understood\n", argv[i]), 125;
	if (i + 1 >= argc || seccomp_load(filter))
		return fprintf(stderr, "refuse: no program, or no filter possible\n"), 125;
	seccomp_release(filter);
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 126;
}
