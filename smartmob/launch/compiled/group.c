/* Cgroups: see group.h. */
#define _GNU_SOURCE
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool group_write(const char *folder, const char *file, const char *word)
{
    char path[PATH_MAX];
    size_t length = strlen(word);

    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, file) >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool written = write(descriptor, word, length) == (ssize_t)length;
    int wrong = errno;
    close(descriptor);
    errno = wrong;
    return written;
}

void group_kill(const char *folder)
{
    group_write(folder, "cgroup.kill", "1"); /* in vain where the kernel is older */
}
