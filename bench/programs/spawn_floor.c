/*
 * spawn_floor COUNT DESCRIPTORS PROGRAM [ARGUMENT...]
 *
 * The floor of a restart: posix_spawn and waitpid, and nothing else, of a parent that has so
 * many descriptors open, as one of many programs has.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

/* Opens so many, with a limit that allows it. */
static int hold(long descriptors)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    while (descriptors-- > 0)
        if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
            return -1;
    return 0;
}

int main(int count, char **words)
{
    if (count < 4)
        return 2;
    if (hold(atol(words[2])))
        return 5;
    for (long left = atol(words[1]); left > 0; left--) {
        pid_t pid;
        int status;

        if (posix_spawn(&pid, words[3], NULL, NULL, words + 3, environ))
            return 3;
        if (waitpid(pid, &status, 0) != pid || status != 0)
            return 4;
    }
    return 0;
}
