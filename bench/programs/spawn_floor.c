/*
 * spawn_floor COUNT PROGRAM [ARGUMENT...]
 *
 * The floor of a restart: posix_spawn and waitpid, and nothing else.
 */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int count, char **words)
{
    if (count < 3)
        return 2;
    for (long left = atol(words[1]); left > 0; left--) {
        pid_t pid;
        int status;

        if (posix_spawn(&pid, words[2], NULL, NULL, words + 2, environ))
            return 3;
        if (waitpid(pid, &status, 0) != pid || status != 0)
            return 4;
    }
    return 0;
}
