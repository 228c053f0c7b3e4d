/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The check of documents: what libvirt recorded gets through and says whom it is about, what is
 * wrong, hostile or too large does not.
 */

#include "document.h"
#include "support.h"

#include <stdio.h>

#define UUID      "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11"
#define PORT_UUID "6da5607b-ed8c-4c06-9f6a-7a9102a34147"

#define DOMAIN(inside)    "<domain><name>web-01</name><uuid>" UUID "</uuid>" inside "</domain>"
#define NETWORK           "<network><name>default</name><uuid>" UUID "</uuid></network>"
#define PORT              "<networkport><uuid>" PORT_UUID "</uuid></networkport>"
#define HOOK_DATA(inside) "<hookData>" inside "</hookData>"

static const DocumentLimits wide_limits = { .size = 16 * 1024 * 1024, .depth = 128 };

static int check_within(const char *text, size_t size, DocumentKind kind,
                        const DocumentLimits *limits, DocumentInfo *info, char **problem) {
        int r = document_check(text, size, kind, limits, info, problem);

        if (r < 0) {
                assert_null(info->name); /* nothing is left to be freed */
                assert_null(info->port_mac);
                assert_null(info->port_owner);
                assert_non_null(*problem);
        } else
                assert_null(*problem);
        return r;
}

static void assert_good_bytes(const char *text, size_t size, DocumentKind kind, const char *name) {
        DocumentInfo info;
        char *problem;

        if (check_within(text, size, kind, &wide_limits, &info, &problem) < 0)
                fail_msg("%.200s: %s", text, problem);
        assert_int_equal(info.kind, kind);
        assert_string_equal(info.name, name);
        assert_string_equal(info.uuid, UUID);
        document_info_clear(&info);
}

static void assert_good(const char *text, const char *name) {
        assert_good_bytes(text, strlen(text), DOCUMENT_DOMAIN, name);
}

static void assert_bad_bytes(const char *text, size_t size, DocumentKind kind,
                             const char *expected) {
        DocumentInfo info;
        char *problem;
        int r = check_within(text, size, kind, &wide_limits, &info, &problem);

        if (r >= 0)
                fail_msg("%.200s is taken", text);
        assert_int_equal(r, -EBADMSG);
        assert_has(problem, expected);
        assert_null(strchr(problem, '\n'));
        free(problem);
}

static void assert_bad(const char *text, const char *expected) {
        assert_bad_bytes(text, strlen(text), DOCUMENT_DOMAIN, expected);
}

static void assert_bad_network(const char *text, const char *expected) {
        assert_bad_bytes(text, strlen(text), DOCUMENT_NETWORK, expected);
}

/* Checks the document of a recorded hook. */
static void check_recorded(Sandbox *sandbox, const char *hook, DocumentKind kind,
                           DocumentInfo *info) {
        const char *text;
        char *problem;

        text = sandbox_read(
                sandbox,
                sandbox_source(sandbox,
                               sandbox_format(sandbox, "tests/data/recordings/%s.stdin", hook)));
        assert_int_equal(check_within(text, strlen(text), kind, &wide_limits, info, &problem), 0);
}

static void test_recorded_guests_are_taken(void **state) {
        static const char *const hooks[] = { "06-qemu-prepare", "10-qemu-reconnect",
                                             "14-qemu-release", "15-qemu-restore" };
        DocumentInfo info;

        for (size_t i = 0; i < ELEMENTS(hooks); i++) {
                check_recorded(*state, hooks[i], DOCUMENT_DOMAIN, &info);
                assert_int_equal(info.kind, DOCUMENT_DOMAIN);
                assert_string_equal(info.name, "web-01");
                assert_string_equal(info.uuid, UUID);
                assert_false(info.has_port);
                document_info_clear(&info);
        }
        check_recorded(*state, "17-lxc-prepare", DOCUMENT_DOMAIN, &info);
        assert_string_equal(info.name, "c1");
        document_info_clear(&info);
}

static void test_recorded_networks_are_taken(void **state) {
        DocumentInfo info;

        check_recorded(*state, "04-network-start", DOCUMENT_NETWORK, &info);
        assert_int_equal(info.kind, DOCUMENT_HOOK_DATA);
        assert_string_equal(info.name, "default");
        assert_string_equal(info.uuid, "afe4733d-5c0d-4baf-8afa-32cf4e9e2f3f");
        assert_false(info.has_port);
        assert_null(info.port_mac); /* the network's own is not the port's */
        assert_string_equal(info.port_uuid, "");
        document_info_clear(&info);
}

static void test_recorded_ports_are_taken(void **state) {
        DocumentInfo info;

        check_recorded(*state, "07-network-port-created", DOCUMENT_NETWORK, &info);
        assert_int_equal(info.kind, DOCUMENT_HOOK_DATA);
        assert_string_equal(info.name, "default");
        assert_string_equal(info.uuid, "afe4733d-5c0d-4baf-8afa-32cf4e9e2f3f");
        assert_true(info.has_port);
        assert_string_equal(info.port_uuid, PORT_UUID);
        assert_string_equal(info.port_mac, "52:54:00:12:34:56");
        assert_string_equal(info.port_owner, "web-01");
        assert_string_equal(info.port_owner_uuid, UUID);
        document_info_clear(&info);
}

static void test_a_port_alone_is_taken(void **state) {
        static const char text[] = "<networkport><uuid>" PORT_UUID "</uuid>"
                                   "<owner><name>web &lt;1&gt;</name><uuid>" UUID "</uuid></owner>"
                                   "<mac foo='x' address=\"52:54:00:aa:bb:cc\"/></networkport>";
        DocumentInfo info;
        char *problem;

        assert_int_equal(
                check_within(text, strlen(text), DOCUMENT_PORT, &wide_limits, &info, &problem), 0);
        assert_int_equal(info.kind, DOCUMENT_PORT);
        assert_true(info.has_port);
        assert_null(info.name); /* a port is no network */
        assert_string_equal(info.uuid, "");
        assert_string_equal(info.port_uuid, PORT_UUID);
        assert_string_equal(info.port_mac, "52:54:00:aa:bb:cc");
        assert_string_equal(info.port_owner, "web <1>");
        assert_string_equal(info.port_owner_uuid, UUID);
        document_info_clear(&info);
}

static void test_what_a_port_lacks_is_empty(void **state) {
        DocumentInfo info;
        char *problem;

        assert_int_equal(
                check_within(PORT, strlen(PORT), DOCUMENT_PORT, &wide_limits, &info, &problem), 0);
        assert_true(info.has_port);
        assert_null(info.port_mac);
        assert_null(info.port_owner);
        assert_string_equal(info.port_owner_uuid, "");
        document_info_clear(&info);
}

static void assert_mac(const char *elements, const char *mac) {
        char *text, *problem;
        DocumentInfo info;

        assert_true(asprintf(&text, "<networkport><uuid>" PORT_UUID "</uuid>%s</networkport>",
                             elements) > 0);
        assert_int_equal(
                check_within(text, strlen(text), DOCUMENT_PORT, &wide_limits, &info, &problem), 0);
        assert_string_equal(info.port_mac, mac);
        document_info_clear(&info);
        free(text);
}

static void test_the_first_mac_counts(void **state) {
        assert_mac("<mac address='1'/><mac address='2'/>", "1");
        assert_mac("<mac/><mac address='2'/>", "2");
        assert_mac("<mac xmlns:a='u' a:address='1' address='2'/>", "2");
}

static void test_an_attribute_is_read_as_xpath_reads_it(void **state) {
        assert_mac("<mac address='a&amp;b&lt;&#x26;&quot;'/>", "a&b<&\"");
        assert_mac("<mac address='a\nb'/>", "a b");
}

static void test_a_port_needs_a_uuid(void **state) {
        static const char port[] =
                "<networkport><owner><uuid>" UUID "</uuid></owner></networkport>";

        assert_bad_bytes(port, strlen(port), DOCUMENT_PORT, "no <uuid>");
        assert_bad_network(HOOK_DATA(NETWORK "<networkport/>"), "no <uuid>");
        assert_bad_network(HOOK_DATA(NETWORK "<networkport><uuid>x</uuid></networkport>"),
                           "not a uuid");
}

static void test_a_bare_network_is_a_network(void **state) {
        assert_good_bytes(NETWORK, strlen(NETWORK), DOCUMENT_NETWORK, "default");
}

static void test_hook_data_has_one_network_and_at_most_one_port(void **state) {
        assert_bad_network(HOOK_DATA(""), "no <network>");
        assert_bad_network(HOOK_DATA(PORT), "no <network>");
        assert_bad_network(HOOK_DATA(NETWORK NETWORK), "more than one <network>");
        assert_bad_network(HOOK_DATA(NETWORK PORT PORT), "more than one <networkport>");
        assert_bad_network(HOOK_DATA(HOOK_DATA(NETWORK)), "no <network>");
        assert_bad_network(HOOK_DATA("<network/>"), "no <name>");
        assert_bad_network(HOOK_DATA("<network><name>n</name></network>"), "no <uuid>");
}

static void test_hook_data_is_named_by_its_network_alone(void **state) {
        assert_bad_network(HOOK_DATA("<network/>" DOMAIN("")), "no <name>");
        assert_bad_network(
                HOOK_DATA("<network><x><name>n</name><uuid>" UUID "</uuid></x></network>"),
                "no <name>");
}

static void test_names_are_read_as_xpath_reads_them(void **state) {
        assert_good("<domain><uuid>" UUID "</uuid><name>a&amp;b &#x63;&#100;</name></domain>",
                    "a&b cd");
        assert_good("<domain><uuid>" UUID "</uuid><name>a<![CDATA[<&]]>z</name></domain>", "a<&z");
        assert_good("<domain><uuid>" UUID "</uuid><name>a<!-- no -->b<?no no?>c</name></domain>",
                    "abc");
        assert_good("<domain><uuid>" UUID "</uuid><name>a<b>c<d/></b>e</name></domain>", "ace");
        assert_good("<domain><uuid>" UUID "</uuid><name> a b </name></domain>", " a b ");
        assert_good("<domain><uuid>" UUID "</uuid><name>z\xc3\xbcrich</name></domain>",
                    "z\xc3\xbcrich");
}

/* What goes to the scripts is UTF-8, so that is what is checked, whatever the document says. */
static void test_documents_are_utf8(void **state) {
        assert_good("<?xml version='1.0' encoding='ISO-8859-1'?><domain><uuid>" UUID
                    "</uuid><name>z\xc3\xbcrich</name></domain>",
                    "z\xc3\xbcrich");
        assert_bad("<?xml version='1.0' encoding='ISO-8859-1'?>" DOMAIN("z\xfcrich"),
                   "not well-formed");
}

/* libxml2 would recognise it by its first bytes. */
static void test_ebcdic_is_refused(void **state) {
        /* <domain><name>a</name><uuid>...: '<' is 4C, '>' is 6E, '/' is 61 */
        static const char text[] =
                "\x4c\x6f\xa7\x94\x93\x40\xa5\x85\x99\xa2\x89\x96\x95\x7e\x7d\xf1\x4b\xf0\x7d\x6f\x6e"
                "\x4c\x84\x96\x94\x81\x89\x95\x61\x6e";

        assert_bad_bytes(text, strlen(text), DOCUMENT_DOMAIN, "does not start with '<'");
        assert_bad("x" DOMAIN(""), "does not start with '<'");
        assert_bad("\xef\xbb\xbfx" DOMAIN(""), "does not start with '<'");
        assert_good("\xef\xbb\xbf" DOMAIN(""), "web-01");
        assert_good(" \t\r\n" DOMAIN(""), "web-01");
}

/* Writes TEXT, which is ASCII, with SIZE bytes for each character. */
static size_t widen(const char *text, size_t size, bool big_endian, char *to) {
        size_t n = strlen(text);

        memset(to, 0, n * size);
        for (size_t i = 0; i < n; i++)
                to[i * size + (big_endian ? size - 1 : 0)] = text[i];
        return n * size;
}

static void test_wide_encodings_are_refused(void **state) {
        static const char text[] = "<?xml version='1.0'?>" DOMAIN("");
        static const char little_endian_mark[] = "\xff\xfe", big_endian_mark[] = "\xfe\xff";
        char wide[sizeof(text) * 4 + 2];

        for (int big_endian = 0; big_endian < 2; big_endian++) {
                for (size_t size = 2; size <= 4; size += 2)
                        assert_bad_bytes(wide, widen(text, size, big_endian, wide), DOCUMENT_DOMAIN,
                                         "not");
                memcpy(wide, big_endian ? big_endian_mark : little_endian_mark, 2);
                assert_bad_bytes(wide, 2 + widen(text, 2, big_endian, wide + 2), DOCUMENT_DOMAIN,
                                 "not");
        }
}

static void test_uuids_become_lower_case(void **state) {
        assert_good("<domain><name>web-01</name>"
                    "<uuid>5C1B3B7E-7F0E-4A5E-9A52-0D2F3F0C9B11</uuid></domain>",
                    "web-01");
}

static void test_what_is_no_uuid_is_refused(void **state) {
        static const char *const bad[] = { "",
                                           "x",
                                           "5c1b3b7e",
                                           UUID "0",
                                           ("00" UUID),
                                           "5c1b3b7e7f0e4a5e9a520d2f3f0c9b11",
                                           "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b1g" };

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                char text[256];

                (void) snprintf(text, sizeof(text),
                                "<domain><name>web-01</name><uuid>%s</uuid></domain>", bad[i]);
                assert_bad(text, "not a uuid");
        }
}

static void test_name_and_uuid_are_needed_once(void **state) {
        assert_bad("<domain/>", "no <name>");
        assert_bad("<domain><uuid>" UUID "</uuid></domain>", "no <name>");
        assert_bad("<domain><name/><uuid>" UUID "</uuid></domain>", "no <name>");
        assert_bad("<domain><name>web-01</name></domain>", "no <uuid>");
        assert_bad(DOMAIN("<name>web-02</name>"), "more than one");
        assert_bad(DOMAIN("<uuid>" UUID "</uuid>"), "more than one");
}

static void test_only_the_elements_of_the_object_name_it(void **state) {
        assert_good(DOMAIN("<metadata><name>other</name><uuid>no</uuid></metadata>"), "web-01");
        assert_good(DOMAIN("<x:name xmlns:x='urn:x'>other</x:name>"), "web-01");
        assert_good(DOMAIN("<domain><name>other</name></domain>"), "web-01");
        assert_bad("<domain><os><name>web-01</name></os><uuid>" UUID "</uuid></domain>",
                   "no <name>");
        assert_bad("<domain><x:name xmlns:x='urn:x'>web-01</x:name><uuid>" UUID "</uuid></domain>",
                   "no <name>");
}

/* It is another element, for libvirt too. */
static void test_a_prefix_that_nobody_declared_is_no_name(void **state) {
        assert_bad("<domain><x:name>web-01</x:name><uuid>" UUID "</uuid></domain>", "no <name>");
        assert_bad("<x:domain><name>web-01</name><uuid>" UUID "</uuid></x:domain>", "root element");
        assert_good(DOMAIN("<x:name>web-02</x:name><qemu:commandline/><:y/>"), "web-01");
}

static void test_names_are_one_line(void **state) {
        assert_bad("<domain><name>web&#10;01</name><uuid>" UUID "</uuid></domain>", "line break");
        assert_bad("<domain><name>web\xc2\x9b"
                   "01</name><uuid>" UUID "</uuid></domain>",
                   "control character");
        assert_bad_network(HOOK_DATA(NETWORK "<networkport><uuid>" PORT_UUID
                                             "</uuid><owner><name>\n</name></owner></networkport>"),
                           "line break");
        assert_bad_network(HOOK_DATA(NETWORK "<networkport><uuid>" PORT_UUID
                                             "</uuid><mac address='a&#9;'/></networkport>"),
                           "control character");
}

static void test_long_element_names_do_not_hide_others(void **state) {
        char text[2048], name[301];

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        (void) snprintf(text, sizeof(text),
                        "<domain><%s><%s><name>other</name></%s></%s>"
                        "<name>web-01</name><uuid>" UUID "</uuid></domain>",
                        name, name, name, name);
        assert_good(text, "web-01");
}

static void test_the_root_element_is_of_the_right_kind(void **state) {
        assert_bad(NETWORK, "<network>, not <domain>");
        assert_bad(HOOK_DATA(NETWORK), "<hookData>, not <domain>");
        assert_bad("<Domain/>", "<Domain>");
        assert_bad("<domain xmlns='urn:x'/>", "not <domain>");
        assert_bad("<x:domain xmlns:x='urn:x'/>", "not <domain>");
        assert_bad_network(DOMAIN(""), "<domain>, not <network>");
        assert_bad_network(PORT, "<networkport>, not <network>");
        assert_bad_bytes(NETWORK, strlen(NETWORK), DOCUMENT_PORT, "not <networkport>");
}

static void test_nothing_is_no_document(void **state) {
        assert_bad("", "is empty");
        assert_bad(" \t\r\n", "is empty");
        assert_bad_bytes(NULL, 0, DOCUMENT_DOMAIN, "is empty");
        assert_bad_bytes("\0", 1, DOCUMENT_DOMAIN, "NUL byte");
}

static void test_what_is_not_well_formed_is_refused(void **state) {
        static const char *const bad[] = {
                "no XML",
                "<domain>",
                "<domain><name>",
                "<domain></network>",
                DOMAIN("<b><i></b></i>"),
                DOMAIN("<a b='1' b='2'/>"),
                DOMAIN("<a b=1/>"),
                DOMAIN("&unknown;"),
                DOMAIN("&#0;"),
                DOMAIN("&#xD800;"),
                DOMAIN("\x01"),
                DOMAIN("\xff"),
                DOMAIN("\xc0\x80"),
                DOMAIN("]]>"),
                DOMAIN("<!-- -- -->"),
                DOMAIN("<a x:b='1'/><b x='<'/>"),
                DOMAIN("") DOMAIN(""),
                DOMAIN("") "trailer",
                "header" DOMAIN(""),
                " <?xml version='1.0'?>" DOMAIN(""),
                DOMAIN("") "<![CDATA[x]]>",
        };

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_bad(bad[i], "not well-formed XML: line 1: ");
}

static void test_the_complaint_has_the_line(void **state) {
        assert_bad("<domain>\n\n<a>\n</b>\n</domain>", "line 4: ");
}

static void test_a_nul_is_no_xml(void **state) {
        static const char inside[] = "<domain><name>web-01</name>\0<uuid>" UUID "</uuid></domain>";
        static const char behind[] = DOMAIN("") "\0<domain/>";

        assert_bad_bytes(inside, sizeof(inside) - 1, DOCUMENT_DOMAIN, "not well-formed");
        assert_bad_bytes(behind, sizeof(behind) - 1, DOCUMENT_DOMAIN, "not well-formed");
}

static void test_what_stands_around_the_root_is_fine(void **state) {
        assert_good("<?xml version='1.0' encoding='UTF-8'?>\n<!-- c -->\n<?pi x?>\n" DOMAIN(
                            "") "\n<!-- c -->\n",
                    "web-01");
        assert_good("\xef\xbb\xbf" DOMAIN(""), "web-01"); /* a byte order mark */
        assert_good("\n\n" DOMAIN("") "\n\n", "web-01");
}

static void test_a_dtd_is_refused(void **state) {
        assert_bad("<!DOCTYPE domain>" DOMAIN(""), "has a DTD");
        assert_bad("<!DOCTYPE domain SYSTEM 'file:///etc/passwd'>" DOMAIN(""), "has a DTD");
        assert_bad("<!DOCTYPE domain PUBLIC 'x' 'http://192.0.2.1/x'>" DOMAIN(""), "has a DTD");
        assert_bad("<!DOCTYPE domain [<!ENTITY x 'y'>]><domain><name>&x;</name><uuid>" UUID
                   "</uuid></domain>",
                   "has a DTD");
        assert_bad("<!DOCTYPE domain [<!ENTITY x SYSTEM '/etc/passwd'>]>" DOMAIN("&x;"),
                   "has a DTD");
}

static void test_entities_do_not_grow(void **state) {
        static const char bomb[] =
                "<!DOCTYPE domain [<!ENTITY a '1234567890'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
                "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>"
                "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;'>"
                "<!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;'><!ENTITY h '&g;&g;&g;&g;&g;&g;&g;&g;'>]>"
                "<domain><name>&h;&h;&h;&h;</name></domain>";

        assert_bad(bomb, "has a DTD");
}

static void test_nothing_is_included(void **state) {
        Sandbox *sandbox = *state;
        const char *file = sandbox_file(sandbox, "name", 0644, "secret");

        assert_bad(sandbox_format(sandbox,
                                  "<domain xmlns:xi='http://www.w3.org/2001/XInclude'><name>"
                                  "<xi:include href='%s' parse='text'/></name><uuid>" UUID
                                  "</uuid></domain>",
                                  file),
                   "no <name>");
}

static void test_the_size_is_limited(void **state) {
        static const char text[] = DOMAIN("");
        DocumentLimits limits = { .size = sizeof(text) - 1, .depth = 128 };
        DocumentInfo info;
        char *problem;

        assert_int_equal(
                check_within(text, sizeof(text) - 1, DOCUMENT_DOMAIN, &limits, &info, &problem), 0);
        document_info_clear(&info);

        limits.size--;
        assert_int_equal(
                check_within(text, sizeof(text) - 1, DOCUMENT_DOMAIN, &limits, &info, &problem),
                -E2BIG);
        assert_has(problem, "bytes, more than the ");
        free(problem);
}

static void test_the_depth_is_limited(void **state) {
        static const char text[] = DOMAIN("<a><b/><b><c/></b></a>"); /* 4 levels */
        DocumentLimits limits = { .size = 4096, .depth = 4 };
        DocumentInfo info;
        char *problem;

        assert_int_equal(
                check_within(text, strlen(text), DOCUMENT_DOMAIN, &limits, &info, &problem), 0);
        document_info_clear(&info);

        limits.depth = 3;
        assert_int_equal(
                check_within(text, strlen(text), DOCUMENT_DOMAIN, &limits, &info, &problem),
                -E2BIG);
        assert_has(problem, "more than 3 elements inside each other");
        free(problem);
}

static void test_a_million_elements_inside_each_other_do_no_harm(void **state) {
        size_t n = 1000000;
        char *text = malloc(n * 3 + 1);
        DocumentInfo info;
        char *problem;

        assert_non_null(text);
        (void) strcpy(text, "<domain>");
        for (size_t i = 8; i + 3 <= n * 3; i += 3)
                (void) strcpy(text + i, "<a>");
        assert_int_equal(
                check_within(text, strlen(text), DOCUMENT_DOMAIN, &wide_limits, &info, &problem),
                -E2BIG);
        free(problem);
        free(text);
}

/* START, N times PART with their number for each '#', and END. */
static const char *repeat(Sandbox *sandbox, const char *start, const char *part, unsigned n,
                          const char *end) {
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        const char *kept;

        assert_non_null(stream);
        (void) fputs(start, stream);
        for (unsigned i = 0; i < n; i++)
                for (const char *p = part; *p; p++)
                        if (*p == '#')
                                (void) fprintf(stream, "%u", i);
                        else
                                (void) fputc(*p, stream);
        (void) fputs(end, stream);
        assert_int_equal(fclose(stream), 0);
        kept = sandbox_format(sandbox, "%s", text);
        free(text);
        return kept;
}

static void test_a_long_name_is_cut_between_characters(void **state) {
        assert_bad(repeat(*state, "<a", "\xc3\xbc", 64, "/>"),
                   "\xc3\xbc\xef\xbf\xbd>, not <domain>");
}

static void test_attributes_are_limited(void **state) {
        assert_good(repeat(*state, "<domain><name>web-01</name><uuid>" UUID "</uuid><a", " b#='>'",
                           256, "/></domain>"),
                    "web-01");
        assert_bad(repeat(*state, "<domain><name>web-01</name><uuid>" UUID "</uuid><a", " b#='>'",
                          257, "/></domain>"),
                   "more than 256 attributes");
        /* Quotes in a comment are no attributes, and what follows is looked at all the same. */
        assert_good(repeat(*state, "<domain><!-- <a", " b#='>'", 257,
                           "--><name>web-01</name><uuid>" UUID "</uuid></domain>"),
                    "web-01");
        assert_bad(repeat(*state, "<domain><!-- <a --><name>web-01</name><a", " b#=''", 257,
                          "/></domain>"),
                   "more than 256 attributes");
}

static void test_namespaces_are_limited(void **state) {
        static const char start[] = "<domain><name>web-01</name><uuid>" UUID "</uuid>";

        assert_good(repeat(*state, start, "<a xmlns:n#='urn:n#'/>", 1024, "</domain>"), "web-01");
        assert_bad(repeat(*state, start, "<a xmlns:n#='urn:n#'/>", 1025, "</domain>"),
                   "more than 1024 namespaces");
}

static void test_hostile_documents_are_judged_at_once(void **state) {
        static const char start[] = "<domain><name>web-01</name><uuid>" UUID "</uuid>";
        uint64_t started = now_usec(CLOCK_MONOTONIC);

        assert_bad(repeat(*state, "<domain", " attribute#='x'", 100000, "/>"), "attributes");
        assert_bad(repeat(*state, "<domain", " xmlns:n#='urn:n#'", 100000, "/>"), "");
        assert_bad(repeat(*state, start, "<element#/>", 200000, "</domain>"), "names");
        assert_bad(repeat(*state, start, "<!-- <", 300000, ""), "not well-formed");
        assert_bad(repeat(*state, start, "<a b='", 300000, ""), "");
        assert_true(now_usec(CLOCK_MONOTONIC) - started < 10 * USEC_PER_SEC);
}

/* The parser fetches a document in pieces of about 4,000 bytes, and each must do as where they
 * meet. */
static void test_large_documents_are_read_across_pieces(void **state) {
        static const char end[] =
                "--><name>z\xc3\xbcr&amp;ich</name><uuid>" UUID "</uuid></domain>";
        size_t last = 12 + 8192, size = last + 32;
        char *text = malloc(size + sizeof(end));

        assert_non_null(text);
        for (size_t start = 12; start <= last; start++) {
                memset(text, '.', size);
                memcpy(text, "<domain><!--", 12);
                memcpy(text + start, end, sizeof(end));
                assert_good(text, "z\xc3\xbcr&ich");
        }
        free(text);
}

static void test_a_text_in_many_pieces_is_read_whole(void **state) {
        static const char end[] = "]]></name><uuid>" UUID "</uuid></domain>";
        char *text = malloc(8192), name[256];

        assert_non_null(text);
        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        (void) snprintf(text, 8192, "<domain><name>%.50s<!-- -->%.50s<![CDATA[%.155s%s", name, name,
                        name, end);
        assert_good(text, name);
        free(text);
}

/* They are told to everybody who listens, and kept. */
static void test_what_is_kept_of_a_port_is_short(void **state) {
        static const char format[] = HOOK_DATA(
                NETWORK
                "<networkport><uuid>" PORT_UUID
                "</uuid><owner><name>%.*s</name></owner><mac address='%.*s'/></networkport>");
        char text[2048], value[257], *problem;
        DocumentInfo info;

        memset(value, 'v', sizeof(value));
        (void) snprintf(text, sizeof(text), format, 255, value, 255, value);
        assert_int_equal(
                check_within(text, strlen(text), DOCUMENT_NETWORK, &wide_limits, &info, &problem),
                0);
        assert_int_equal(strlen(info.port_owner), 255);
        assert_int_equal(strlen(info.port_mac), 255);
        document_info_clear(&info);
        (void) snprintf(text, sizeof(text), format, 256, value, 1, value);
        assert_bad_network(text, "name or uuid of more than");
        (void) snprintf(text, sizeof(text), format, 1, value, 256, value);
        assert_bad_network(text, "MAC address of more than");
}

static void test_endless_names_are_refused(void **state) {
        size_t size = 1024 * 1024;
        char *text = malloc(size + 256);

        assert_non_null(text);
        memset(text, 'n', size);
        memcpy(text, "<domain><name>", 14);
        (void) strcpy(text + size, "</name><uuid>" UUID "</uuid></domain>");
        assert_bad(text, "name or uuid of more than");
        free(text);
}

static void test_nothing_is_printed(void **state) {
        Sandbox *sandbox = *state;

        log_start(sandbox);
        assert_bad("<domain><name>", "not well-formed");
        assert_bad("<!DOCTYPE domain SYSTEM 'nowhere'>", "has a DTD");
        assert_bad("<domain>&x;</domain>", "not well-formed");
        assert_good(DOMAIN(""), "web-01");
        assert_string_equal(log_end(sandbox), "");
}

static void test_complaints_are_short_and_sendable(void **state) {
        static const char bad[] = "<domain>\xff\xfe</domain>";
        char *text = malloc(200000), *problem;
        DocumentInfo info;

        assert_bad(bad, "not well-formed");
        assert_non_null(text);
        memset(text, 'r', 199999);
        text[0] = '<';
        text[199998] = '>';
        text[199999] = '\0';
        assert_int_equal(check_within(text, 199999, DOCUMENT_DOMAIN, &wide_limits, &info, &problem),
                         -EBADMSG);
        assert_true(strlen(problem) < 512);
        free(problem);
        free(text);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_recorded_guests_are_taken),
                sandboxed(test_recorded_networks_are_taken),
                sandboxed(test_recorded_ports_are_taken),
                cmocka_unit_test(test_a_port_alone_is_taken),
                cmocka_unit_test(test_what_a_port_lacks_is_empty),
                cmocka_unit_test(test_the_first_mac_counts),
                cmocka_unit_test(test_an_attribute_is_read_as_xpath_reads_it),
                cmocka_unit_test(test_a_port_needs_a_uuid),
                cmocka_unit_test(test_a_bare_network_is_a_network),
                cmocka_unit_test(test_hook_data_has_one_network_and_at_most_one_port),
                cmocka_unit_test(test_hook_data_is_named_by_its_network_alone),
                cmocka_unit_test(test_names_are_read_as_xpath_reads_them),
                cmocka_unit_test(test_documents_are_utf8),
                cmocka_unit_test(test_wide_encodings_are_refused),
                cmocka_unit_test(test_ebcdic_is_refused),
                cmocka_unit_test(test_uuids_become_lower_case),
                cmocka_unit_test(test_what_is_no_uuid_is_refused),
                cmocka_unit_test(test_name_and_uuid_are_needed_once),
                cmocka_unit_test(test_only_the_elements_of_the_object_name_it),
                cmocka_unit_test(test_a_prefix_that_nobody_declared_is_no_name),
                cmocka_unit_test(test_names_are_one_line),
                cmocka_unit_test(test_long_element_names_do_not_hide_others),
                cmocka_unit_test(test_the_root_element_is_of_the_right_kind),
                cmocka_unit_test(test_nothing_is_no_document),
                cmocka_unit_test(test_what_is_not_well_formed_is_refused),
                cmocka_unit_test(test_the_complaint_has_the_line),
                cmocka_unit_test(test_a_nul_is_no_xml),
                cmocka_unit_test(test_what_stands_around_the_root_is_fine),
                cmocka_unit_test(test_a_dtd_is_refused),
                cmocka_unit_test(test_entities_do_not_grow),
                sandboxed(test_nothing_is_included),
                cmocka_unit_test(test_the_size_is_limited),
                cmocka_unit_test(test_the_depth_is_limited),
                cmocka_unit_test(test_a_million_elements_inside_each_other_do_no_harm),
                sandboxed(test_a_long_name_is_cut_between_characters),
                sandboxed(test_attributes_are_limited),
                sandboxed(test_namespaces_are_limited),
                sandboxed(test_hostile_documents_are_judged_at_once),
                cmocka_unit_test(test_large_documents_are_read_across_pieces),
                cmocka_unit_test(test_a_text_in_many_pieces_is_read_whole),
                cmocka_unit_test(test_what_is_kept_of_a_port_is_short),
                cmocka_unit_test(test_endless_names_are_refused),
                sandboxed(test_nothing_is_printed),
                cmocka_unit_test(test_complaints_are_short_and_sendable),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
