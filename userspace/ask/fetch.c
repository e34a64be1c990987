/* SPDX-License-Identifier: MIT */
#include "ask/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "serve/http.h"

#define URL_MAX 2048

static char error_text[CURL_ERROR_SIZE + URL_MAX];

const char *fetch_error(void)
{
	return error_text;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct buffer *body = ctx;

	if (body->len + size * count > FETCH_MAX)
		return 0;
	buffer_append(body, data, size * count);
	return size * count;
}

/* What is asked for: a path, and one parameter unless value is NULL. */
struct target {
	const char *base, *path, *parameter, *value;
};

static int make_url(CURL *curl, char url[URL_MAX], const struct target *target)
{
	const char *base = target->base;
	char *escaped = target->value ? curl_easy_escape(curl, target->value, 0) : NULL;
	size_t len = strlen(base);
	int n;

	if (target->value && !escaped)
		return -ENOMEM;
	while (len && base[len - 1] == '/')
		len--;
	n = snprintf(url, URL_MAX, "%.*s%s%s%s%s%s", (int)len, base, target->path,
		     !escaped                    ? ""
		     : strchr(target->path, '?') ? "&"
						 : "?",
		     escaped ? target->parameter : "", escaped ? "=" : "", escaped ? escaped : "");
	curl_free(escaped);
	if (n < URL_MAX)
		return 0;
	snprintf(error_text, sizeof(error_text), "the URL is too long");
	return -EINVAL;
}

static void set_options(CURL *curl, enum fetch_method method, const char *url, struct curl_slist *headers,
			struct fetch_reply *out, char *why)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL); /* a password is no argument */
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)FETCH_SECONDS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "mirror-observer/" VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &out->body);
	if (method == FETCH_ACTION) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
	}
}

static int perform(CURL *curl, enum fetch_method method, const char *url, struct fetch_reply *out)
{
	struct curl_slist *headers =
	    method == FETCH_ACTION ? curl_slist_append(NULL, HTTP_ACTION_HEADER ": reset") : NULL;
	char why[CURL_ERROR_SIZE] = "";
	CURLcode code;

	set_options(curl, method, url, headers, out, why);
	code = curl_easy_perform(curl);
	curl_slist_free_all(headers);
	if (code != CURLE_OK) {
		snprintf(error_text, sizeof(error_text), "%.*s does not answer: %s", (int)strcspn(url, "?"),
			 url, *why ? why : curl_easy_strerror(code));
		return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ? -EINVAL
											 : -EHOSTUNREACH;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
	buffer_append(&out->body, "", 1);
	if (!out->body.failed)
		return 0;
	snprintf(error_text, sizeof(error_text), "%s: the answer is too long", url);
	return -ENOMEM;
}

static int fetch_target(struct fetch_reply *out, enum fetch_method method, const struct target *target)
{
	CURL *curl = curl_easy_init();
	char url[URL_MAX];
	int err;

	memset(out, 0, sizeof(*out));
	if (!curl) {
		snprintf(error_text, sizeof(error_text), "out of memory");
		return -ENOMEM;
	}
	err = make_url(curl, url, target);
	if (!err)
		err = perform(curl, method, url, out);
	if (err)
		buffer_free(&out->body);
	curl_easy_cleanup(curl);
	return err;
}

int fetch(struct fetch_reply *out, enum fetch_method method, const char *base, const char *path,
	  const char *cluster)
{
	const struct target target = {base, path, "cluster", cluster};

	return fetch_target(out, method, &target);
}

int fetch_query(struct fetch_reply *out, const char *base, const char *promql)
{
	const struct target target = {base, "/api/v1/query", "query", promql};

	return fetch_target(out, FETCH_GET, &target);
}
