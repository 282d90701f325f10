#include "tests/peers/peer.h"

#include <stdio.h>

static const mop_peer *const peers[] = {
#define MOP_PEER_ROW(id) &mop_peer_##id,
#include "tests/peers/peers.def"
#undef MOP_PEER_ROW
};

const mop_peer *mop_peer_at(size_t i)
{
    return i < sizeof peers / sizeof peers[0] ? peers[i] : NULL;
}

void mop_peer_package_version(const char *package, char *text, size_t size)
{
    char command[128];
    FILE *f;
    (void)snprintf(text, size, "of unknown version");
    (void)snprintf(command, sizeof command, "dpkg-query -W -f '${Version}\n' %s 2>/dev/null",
                   package);
    f = popen(command, "r");
    if (f == NULL)
        return;
    char line[128];
    if (fscanf(f, "%127s", line) == 1)
        (void)snprintf(text, size, "%s", line); /* cut is fine */
    (void)pclose(f);
}
