/* In: the SQLite store. Out: whether it is a store. */
#include "sqlite_plug.h"

int main(void)
{
    return conformance_run(&sqlite_plug);
}
