/* SPDX-License-Identifier: Apache-2.0 */

/*
 * leap - a wall clock that leaps an hour to and fro each second, for the linker's --wrap: every
 * call of the static program goes through here, those of its libraries too. Clocks of elapsed
 * time are left alone. Forward only, since a certificate of today is not valid yesterday.
 */

#include <sys/time.h>
#include <time.h>

#define LEAP_S 3600

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_gettimeofday(struct timeval *ret, void *zone);
time_t __wrap_time(time_t *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int result = __real_clock_gettime(clock, ret);

	if (result == 0 && clock == CLOCK_REALTIME && ret->tv_sec % 2 == 0)
		ret->tv_sec += LEAP_S;
	return result;
}

int __wrap_gettimeofday(struct timeval *ret, void *zone)
{
	struct timespec now;
	int result = __wrap_clock_gettime(CLOCK_REALTIME, &now);

	(void)zone;
	*ret = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
	return result;
}

time_t __wrap_time(time_t *ret)
{
	struct timespec now = { 0 };

	__wrap_clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
