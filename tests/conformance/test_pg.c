/* In: the PostgreSQL store. Out: whether it is a store. */
#include "pg_plug.h"

int main(void)
{
    return conformance_run(&pg_plug);
}
