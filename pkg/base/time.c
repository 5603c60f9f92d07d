/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/time.h"

#include <bsd/string.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t np_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool np_time_is_api(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

void np_time_text(int64_t seconds, char buf[static NP_TIME_TEXT_MAX])
{
	time_t t = (time_t)seconds;
	struct tm tm = { 0 };

	if (!gmtime_r(&t, &tm) || strftime(buf, NP_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strlcpy(buf, "1970-01-01T00:00:00Z", NP_TIME_TEXT_MAX);
}

void np_time_now(char buf[static NP_TIME_TEXT_MAX])
{
	np_time_text((int64_t)time(NULL), buf);
}

/* Writes the present with the first `digits` (at most 9) digits of its fraction. */
static void write_present(int digits, char buf[static NP_TIME_TEXT_MAX])
{
	struct timespec now;
	char seconds[NP_TIME_TEXT_MAX], fraction[16];

	clock_gettime(CLOCK_REALTIME, &now);
	np_time_text(now.tv_sec, seconds);
	snprintf(fraction, sizeof(fraction), "%09ld", now.tv_nsec);
	snprintf(buf, NP_TIME_TEXT_MAX, "%.*s.%.*sZ", (int)strcspn(seconds, "Z"), seconds, digits,
		 fraction);
}

void np_time_milli(char buf[static NP_TIME_TEXT_MAX])
{
	write_present(3, buf);
}

void np_time_micro(char buf[static NP_TIME_TEXT_MAX])
{
	write_present(6, buf);
}

/* Reads `n` digits at *text and moves on; false where there are none or the number is too large. */
static bool read_digits(const char **text, size_t n, int max, int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return false;
		*ret = *ret * 10 + (**text - '0');
	}
	return *ret <= max;
}

static bool read_char(const char **text, const char *set)
{
	if (!**text || !strchr(set, **text))
		return false;
	(*text)++;
	return true;
}

/* "Z" or "+hh:mm" at the end. */
static bool read_zone(const char *text, int64_t *ret_s)
{
	int sign = *text == '-' ? -1 : 1, hours, minutes;

	*ret_s = 0;
	if (read_char(&text, "Zz"))
		return !*text;
	if (!read_char(&text, "+-") || !read_digits(&text, 2, 23, &hours) ||
	    !read_char(&text, ":") || !read_digits(&text, 2, 59, &minutes))
		return false;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return !*text;
}

bool np_time_parse(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	int64_t zone;

	if (!read_digits(&text, 4, 9999, &tm.tm_year) || !read_char(&text, "-") ||
	    !read_digits(&text, 2, 12, &tm.tm_mon) || !read_char(&text, "-") ||
	    !read_digits(&text, 2, 31, &tm.tm_mday) || !read_char(&text, "Tt") ||
	    !read_digits(&text, 2, 23, &tm.tm_hour) || !read_char(&text, ":") ||
	    !read_digits(&text, 2, 59, &tm.tm_min) || !read_char(&text, ":") ||
	    !read_digits(&text, 2, 60, &tm.tm_sec))
		return false;
	if (read_char(&text, ".")) {
		if (!isdigit((unsigned char)*text))
			return false;
		text += strspn(text, "0123456789");
	}
	if (tm.tm_mon < 1 || tm.tm_mday < 1 || !read_zone(text, &zone))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret = (int64_t)timegm(&tm) - zone;
	return true;
}
