/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "nodeprep/err.h"

void streams_open(void)
{
	/* As glibc does for privileged programs: of the modes, the one that a reader or writer cannot use. */
	static const int modes[] = {
		[STDIN_FILENO] = O_WRONLY,
		[STDOUT_FILENO] = O_RDONLY,
		[STDERR_FILENO] = O_WRONLY,
	};

	for (int fd = 0; fd < (int)(sizeof(modes) / sizeof(modes[0])); fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* open(2) takes the lowest number that is free, which is this one. */
		if (open("/dev/null", modes[fd] | O_NOCTTY) != fd)
			_exit(np_code_exit_status(NP_E_IO));
	}
}
