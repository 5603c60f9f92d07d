/* SPDX-License-Identifier: Apache-2.0 */

/*
 * measure COMMAND [ARGUMENT...] - runs the command and prints on descriptor 3
 * "STATUS WALL_S CPU_S PEAK_KB": its exit status, the time by the clock, user and system time
 * together, and the largest resident set. A program of its own, since the kernel counts into the
 * last figure what the process held before its exec: an interpreter would drown `nodeprep version`.
 */

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char *argv[])
{
	struct timespec from, to;
	struct rusage used;
	int status = 0;
	pid_t child;

	if (argc < 2)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &from);
	child = fork();
	if (child == 0) {
		close(3);
		execv(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &used) != child)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &to);
	dprintf(3, "%d %.6f %.6f %ld %ld\n",
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		(double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9,
		seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss,
		used.ru_minflt + used.ru_majflt);
	return 0;
}
