/* In: address.c. Out: what each kind of address is called, and what a list of exceptions permits.
 * The expected kinds are those of IANA's special-purpose registries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "io/address.h"

static struct sockaddr_storage socket_of(const char *text, uint16_t port)
{
    struct sockaddr_storage all = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&all, &in, sizeof in);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&all, &in6, sizeof in6);
    }
    return all;
}

static enum address_kind kind_of(const char *text)
{
    struct sockaddr_storage s = socket_of(text, 443);
    return address_kind_of((const struct sockaddr *)(const void *)&s);
}

static bool permits(const struct address_guard *g, const char *host, const char *text,
                    uint16_t port)
{
    struct sockaddr_storage s = socket_of(text, port);
    return address_guard_permits(g, host, (const struct sockaddr *)(const void *)&s);
}

static void each_address_is_of_its_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum address_kind kind;
    } cases[] = {
        {"1.1.1.1", ADDRESS_PUBLIC},
        {"8.8.8.8", ADDRESS_PUBLIC},
        {"9.255.255.255", ADDRESS_PUBLIC},
        {"11.0.0.0", ADDRESS_PUBLIC},
        {"100.63.255.255", ADDRESS_PUBLIC},
        {"100.128.0.0", ADDRESS_PUBLIC},
        {"126.255.255.255", ADDRESS_PUBLIC},
        {"128.0.0.0", ADDRESS_PUBLIC},
        {"169.253.255.255", ADDRESS_PUBLIC},
        {"169.255.0.0", ADDRESS_PUBLIC},
        {"172.15.255.255", ADDRESS_PUBLIC},
        {"172.32.0.0", ADDRESS_PUBLIC},
        {"192.167.255.255", ADDRESS_PUBLIC},
        {"192.169.0.0", ADDRESS_PUBLIC},
        {"198.17.255.255", ADDRESS_PUBLIC},
        {"198.20.0.0", ADDRESS_PUBLIC},
        {"223.255.255.255", ADDRESS_PUBLIC},
        {"168.63.129.15", ADDRESS_PUBLIC},
        {"0.0.0.0", ADDRESS_RESERVED},
        {"0.1.2.3", ADDRESS_RESERVED},
        {"127.0.0.1", ADDRESS_LOOPBACK},
        {"127.255.255.254", ADDRESS_LOOPBACK},
        {"10.0.0.0", ADDRESS_PRIVATE},
        {"10.255.255.255", ADDRESS_PRIVATE},
        {"172.16.0.1", ADDRESS_PRIVATE},
        {"172.31.255.255", ADDRESS_PRIVATE},
        {"192.168.0.1", ADDRESS_PRIVATE},
        {"192.168.255.255", ADDRESS_PRIVATE},
        {"100.64.0.0", ADDRESS_SHARED},
        {"100.100.100.200", ADDRESS_SHARED},
        {"100.127.255.255", ADDRESS_SHARED},
        {"169.254.0.1", ADDRESS_LINK_LOCAL},
        {"169.254.169.254", ADDRESS_LINK_LOCAL},
        {"168.63.129.16", ADDRESS_METADATA},
        {"192.0.0.192", ADDRESS_RESERVED},
        {"192.0.2.1", ADDRESS_RESERVED},
        {"192.88.99.1", ADDRESS_RESERVED},
        {"198.18.0.1", ADDRESS_RESERVED},
        {"198.19.255.255", ADDRESS_RESERVED},
        {"198.51.100.7", ADDRESS_RESERVED},
        {"203.0.113.7", ADDRESS_RESERVED},
        {"224.0.0.1", ADDRESS_MULTICAST},
        {"239.255.255.255", ADDRESS_MULTICAST},
        {"240.0.0.1", ADDRESS_RESERVED},
        {"255.255.255.255", ADDRESS_RESERVED},
        {"2606:4700:4700::1111", ADDRESS_PUBLIC},
        {"2a00:1450:4001:800::200e", ADDRESS_PUBLIC},
        {"2001:4860:4860::8888", ADDRESS_PUBLIC},
        {"2001:200::1", ADDRESS_PUBLIC},
        {"3ffe::1", ADDRESS_PUBLIC},
        {"::", ADDRESS_RESERVED},
        {"::1", ADDRESS_LOOPBACK},
        {"::2", ADDRESS_RESERVED},
        {"::7f00:1", ADDRESS_RESERVED},
        {"::ffff:127.0.0.1", ADDRESS_TRANSLATED},
        {"::ffff:8.8.8.8", ADDRESS_TRANSLATED},
        {"64:ff9b::7f00:1", ADDRESS_TRANSLATED},
        {"64:ff9b::8.8.8.8", ADDRESS_TRANSLATED},
        {"64:ff9b:1::a00:1", ADDRESS_TRANSLATED},
        {"2002:7f00:1::1", ADDRESS_TRANSLATED},
        {"2001:0:4136:e378::1", ADDRESS_TRANSLATED},
        {"2001:2::1", ADDRESS_RESERVED},
        {"2001:10::1", ADDRESS_RESERVED},
        {"2001:1ff::1", ADDRESS_RESERVED},
        {"2001:db8::1", ADDRESS_RESERVED},
        {"3fff:abc::1", ADDRESS_RESERVED},
        {"100::1", ADDRESS_RESERVED},
        {"4000::1", ADDRESS_RESERVED},
        {"5f00::1", ADDRESS_RESERVED},
        {"fc00::1", ADDRESS_PRIVATE},
        {"fd00:ec2::254", ADDRESS_PRIVATE},
        {"fe80::1", ADDRESS_LINK_LOCAL},
        {"febf::1", ADDRESS_LINK_LOCAL},
        {"fec0::1", ADDRESS_PRIVATE},
        {"ff02::1", ADDRESS_MULTICAST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (kind_of(cases[i].text) != cases[i].kind)
            fail_msg("%s is %s", cases[i].text, address_kind_name(kind_of(cases[i].text)));
    }
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_int_equal(address_kind_of((const struct sockaddr *)(const void *)&local), ADDRESS_OTHER);
}

static void without_a_list_only_public_addresses_are_permitted(void **state)
{
    (void)state;
    static const char *const none[] = {NULL, "", " ,, \n"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct address_guard *g = NULL;
        assert_int_equal(address_guard_new(none[i], &g, NULL), OK);
        assert_true(permits(g, "example.com", "93.184.216.34", 443));
        assert_false(permits(g, "example.com", "10.0.0.1", 443));
        assert_false(permits(g, "example.com", "::1", 443));
        assert_false(permits(g, "10.0.0.1", "10.0.0.1", 443));
        struct sockaddr_un local = {.sun_family = AF_UNIX};
        assert_false(address_guard_permits(g, "x", (const struct sockaddr *)(const void *)&local));
        address_guard_free(g);
    }
    address_guard_free(NULL);
}

static void a_list_permits_its_networks_addresses_and_names_and_nothing_near_them(void **state)
{
    (void)state;
    struct address_guard *g = NULL;
    assert_int_equal(address_guard_new("10.2.0.0/15, fd00:8::/33 127.0.0.1:9000,[::1]:9000\n"
                                       "192.168.1.7,Hooks.Internal, metrics:8080,fe80::1,"
                                       "[fd00:9::1]",
                                       &g, NULL),
                     OK);
    static const struct {
        const char *host, *address;
        uint16_t port;
        bool permitted;
    } cases[] = {
        {"a", "10.2.0.0", 1, true},
        {"a", "10.3.255.255", 443, true},
        {"a", "10.1.255.255", 443, false},
        {"a", "10.4.0.0", 443, false},
        {"a", "::ffff:10.2.0.1", 443, true}, /* the same machine */
        {"a", "::ffff:10.4.0.1", 443, false},
        {"a", "fd00:8:7fff::1", 443, true},
        {"a", "fd00:8:8000::1", 443, false},
        {"a", "127.0.0.1", 9000, true},
        {"a", "127.0.0.1", 9001, false},
        {"a", "127.0.0.2", 9000, false},
        {"a", "::1", 9000, true},
        {"a", "::1", 80, false},
        {"a", "192.168.1.7", 80, true},
        {"a", "192.168.1.8", 80, false},
        {"a", "fe80::1", 80, true},
        {"a", "fe80::2", 80, false},
        {"a", "fd00:9::1", 80, true},
        {"hooks.internal", "10.9.9.9", 80, true},
        {"HOOKS.INTERNAL", "::1", 80, true},
        {"x.hooks.internal", "10.9.9.9", 80, false},
        {"hooks.internal.example.com", "10.9.9.9", 80, false},
        {"metrics", "10.9.9.9", 8080, true},
        {"metrics", "10.9.9.9", 80, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (permits(g, cases[i].host, cases[i].address, cases[i].port) != cases[i].permitted)
            fail_msg("%s at %s:%u", cases[i].host, cases[i].address, cases[i].port);
    }
    address_guard_free(g);
}

static void a_bad_entry_is_refused_and_named(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "10.0.0.0/33", "10.0.0/8",     "fd00::/129",    "10.0.0.0/",  "10.0.0.0/-1", "10.0.0.0/8/8",
        "host/8",      "host:0",       "host:65536",    "host:",      "host:80x",    "[::1",
        "[::1]x",      "[::1]:",       "[10.0.0.1]:80", "[]",         ":80",         "http://host",
        "ho st!",      "fe80::1%eth0", "*.internal",    "fd00::1::2", "a@b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct address_guard *g = NULL;
        struct errmsg msg = {""};
        if (address_guard_new(bad[i], &g, &msg) != ERR_INVALID)
            fail_msg("%s was taken", bad[i]);
        assert_null(g);
        assert_true(strncmp(msg.text, "'", 1) == 0);
    }
    struct address_guard *g = NULL;
    struct errmsg msg = {""};
    assert_int_equal(address_guard_new("10.0.0.0/8,127.0.0.1.5/8", &g, &msg), ERR_INVALID);
    assert_true(strncmp(msg.text, "'127.0.0.1.5/8'", 15) == 0);
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    char list[3 * (ADDRESS_ALLOW_MAX + 1) + 1] = "";
    struct address_guard *g = NULL;
    for (int i = 0; i < ADDRESS_ALLOW_MAX; i++)
        memcpy(list + (size_t)i * 3, "ab,", 4);
    assert_int_equal(address_guard_new(list, &g, NULL), OK);
    address_guard_free(g);
    g = NULL;
    memcpy(list + (size_t)ADDRESS_ALLOW_MAX * 3, "ab", 3);
    assert_int_equal(address_guard_new(list, &g, NULL), ERR_INVALID);
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(address_guard_new(longest, &g, NULL), ERR_INVALID);
    assert_null(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_of_its_kind),
        cmocka_unit_test(without_a_list_only_public_addresses_are_permitted),
        cmocka_unit_test(a_list_permits_its_networks_addresses_and_names_and_nothing_near_them),
        cmocka_unit_test(a_bad_entry_is_refused_and_named),
        cmocka_unit_test(a_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
