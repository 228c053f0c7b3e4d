/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * <hookData>: what libvirt wrote is built again from its parts, byte for byte; and of what it never
 * writes nothing is lost.
 */

#include "hook-data.h"
#include "support.h"

#include <dirent.h>
#include <stdio.h>

#include "document.h"

static void leave_alone(void *owner) {
}

static Bytes *bytes_of(const char *text) {
        Bytes *bytes;

        assert_int_equal(bytes_new(&bytes, text, strlen(text), leave_alone, NULL), 0);
        return bytes;
}

static void assert_hook_data(const char *network, const char *port, const char *expected) {
        Bytes *network_bytes = bytes_of(network), *port_bytes = port ? bytes_of(port) : NULL, *made;

        assert_int_equal(hook_data_new(&made, network_bytes, port_bytes), 0);
        if (made->size != strlen(expected) || memcmp(made->data, expected, made->size) != 0)
                fail_msg("Got:\n%.*s\nnot:\n%s", (int) made->size, made->data, expected);
        bytes_unref(made);
        bytes_unref(network_bytes);
        bytes_unref(port_bytes);
}

/* What the network alone becomes, without the lines around it. */
static void assert_network(const char *network, const char *expected) {
        char *text;

        assert_true(asprintf(&text, "<hookData>\n%s\n</hookData>", expected) > 0);
        assert_hook_data(network, NULL, text);
        free(text);
}

/*
 * Takes the lines from FIRST to LAST out of a recorded document, indented by two spaces less: this
 * is what libvirt's own tools print of the object. NULL where it is not there.
 */
static const char *unindent(Sandbox *sandbox, const char *document, const char *first,
                            const char *last) {
        const char *line = strstr(document, first), *end = strstr(document, last);
        char *text = NULL;
        size_t size;
        FILE *stream;

        if (!line)
                return NULL;
        assert_non_null(end);
        stream = open_memstream(&text, &size);
        assert_non_null(stream);
        while (line < end + strlen(last)) {
                size_t n = strcspn(line, "\n") + 1;

                assert_int_equal(strncmp(line, "  ", 2), 0);
                (void) fwrite(line + 2, 1, n - 2, stream);
                line += n;
        }
        assert_int_equal(fclose(stream), 0);
        document = sandbox_format(sandbox, "%s", text);
        free(text);
        return document;
}

static void check_recorded(Sandbox *sandbox, const char *name) {
        const char *document, *network, *port;

        document = sandbox_read(
                sandbox,
                sandbox_source(sandbox, sandbox_format(sandbox, "tests/data/recordings/%s", name)));
        network = unindent(sandbox, document, "  <network", "  </network>");
        port = unindent(sandbox, document, "  <networkport>", "  </networkport>");
        assert_non_null(network);
        assert_int_equal(port != NULL, strstr(name, "-port-") != NULL);
        assert_hook_data(network, port, document);
}

static void test_all_recorded_documents_are_built_again(void **state) {
        Sandbox *sandbox = *state;
        const char *path = sandbox_source(sandbox, "tests/data/recordings");
        const struct dirent *entry;
        DIR *folder = opendir(path);
        unsigned n = 0;

        if (!folder)
                fail_msg("%s cannot be read", path);
        while ((entry = readdir(folder)))
                if (strstr(entry->d_name, "-network-") && strstr(entry->d_name, ".stdin")) {
                        check_recorded(sandbox, entry->d_name);
                        n++;
                }
        (void) closedir(folder);
        assert_int_equal(n, 6);
}

static void test_elements_on_lines_are_indented(void **state) {
        assert_network("<network>\n  <name>n</name>\n  <ip>\n    <dhcp/>\n  </ip>\n</network>\n",
                       "  <network>\n    <name>n</name>\n    <ip>\n      <dhcp/>\n    </ip>\n"
                       "  </network>");
}

static void test_a_document_in_one_line_stays_in_one_line(void **state) {
        assert_network("<network><name>n</name><a/></network>",
                       "  <network><name>n</name><a/></network>");
        assert_network("<network/>", "  <network/>");
        assert_network("<network />", "  <network />");
        assert_network("<network></network >", "  <network></network >");
}

static void test_tabs_and_carriage_returns_stay(void **state) {
        assert_network("<network>\r\n\t<a/>\r\n</network>",
                       "  <network>\r\n  \t<a/>\r\n  </network>");
}

static void test_text_of_several_lines_is_left_alone(void **state) {
        assert_network("<network>\n  <title>line 1\nline 2\n  line 3\n</title>\n</network>",
                       "  <network>\n    <title>line 1\nline 2\n  line 3\n</title>\n  </network>");
        assert_network("<network>\n  text\n  <b/>\n</network>",
                       "  <network>\n  text\n  <b/>\n  </network>");
}

static void test_comments_are_left_alone(void **state) {
        assert_network("<network>\n  <!-- it's > \" </network>\n  <b>\n-->\n  <a/>\n</network>",
                       "  <network>\n    <!-- it's > \" </network>\n  <b>\n-->\n    <a/>\n"
                       "  </network>");
        assert_network("<network><!----></network>", "  <network><!----></network>");
}

static void test_cdata_is_left_alone(void **state) {
        assert_network(
                "<network>\n  <a><![CDATA[ </network>\n<b> ' ]] > ]]></a>\n</network>",
                "  <network>\n    <a><![CDATA[ </network>\n<b> ' ]] > ]]></a>\n  </network>");
        assert_network("<network><a><![CDATA[\n \n]]></a></network>",
                       "  <network><a><![CDATA[\n \n]]></a></network>");
}

static void test_processing_instructions_are_left_alone(void **state) {
        assert_network("<network>\n  <?pi it's > </network>\n?>\n</network>",
                       "  <network>\n    <?pi it's > </network>\n?>\n  </network>");
}

static void test_attributes_are_left_alone(void **state) {
        assert_network(
                "<network>\n  <a b='x>y' c=\"</network>\n/>\" d='\"\n>'/>\n</network>",
                "  <network>\n    <a b='x>y' c=\"</network>\n/>\" d='\"\n>'/>\n  </network>");
        assert_network("<network\n  a='1'\n>\n</network\n>",
                       "  <network\n  a='1'\n>\n  </network\n>");
        assert_network("<network a='/'><b c='/'></b></network>",
                       "  <network a='/'><b c='/'></b></network>");
}

static void test_what_stands_around_the_root_is_dropped(void **state) {
        assert_network("<?xml version='1.0' encoding='UTF-8'?>\n"
                       "<!-- WARNING: edit <network> with 'virsh net-edit' -->\n"
                       "<?pi <network>?>\n\n<network>\n</network>\n<!-- </network> -->\n",
                       "  <network>\n  </network>");
        assert_network("\xef\xbb\xbf<network/>", "  <network/>");
}

static void test_elements_of_the_same_name_inside_do_not_end_it(void **state) {
        assert_network("<network><network/><network></network></network>",
                       "  <network><network/><network></network></network>");
}

static void test_bytes_beyond_ascii_stay(void **state) {
        assert_network("<network>\n  <title>Z\xc3\xbcrich \xe2\x80\x94</title>\n</network>",
                       "  <network>\n    <title>Z\xc3\xbcrich \xe2\x80\x94</title>\n  </network>");
}

static void test_the_port_comes_after_the_network(void **state) {
        assert_hook_data("<?xml version='1.0'?><network/>\n",
                         "<?xml version='1.0'?>\n<networkport>\n  <uuid/>\n</networkport>\n",
                         "<hookData>\n  <network/>\n  <networkport>\n    <uuid/>\n"
                         "  </networkport>\n</hookData>");
}

static void test_a_port_gets_into_hook_data(void **state) {
        assert_hook_data("<?xml version='1.0'?>\n<hookData>\n  <network/>\n</hookData>\n",
                         "<networkport>\n  <uuid/>\n</networkport>\n",
                         "<hookData>\n  <network/>\n  <networkport>\n    <uuid/>\n"
                         "  </networkport>\n</hookData>");
        assert_hook_data("<hookData a='1'><network/></hookData ><!-- </hookData> -->",
                         "<networkport/>",
                         "<hookData a='1'><network/>  <networkport/>\n</hookData>");
        assert_hook_data("<hookDatas/>", "<networkport/>",
                         "<hookData>\n  <hookDatas/>\n  <networkport/>\n</hookData>");
}

static void test_the_document_need_not_end_with_a_nul(void **state) {
        static const char text[] = "<network><a/></network><network><b/></network>";
        Bytes *network, *made;
        char *copy = malloc(23);

        assert_non_null(copy);
        memcpy(copy, text, 23); /* the sanitizer sees to the byte behind */
        assert_int_equal(bytes_new_take(&network, copy, 23), 0);
        assert_int_equal(hook_data_new(&made, network, NULL), 0);
        assert_int_equal(made->size, strlen("<hookData>\n  <network><a/></network>\n</hookData>"));
        bytes_unref(made);
        bytes_unref(network);
}

static void test_a_document_without_root_is_refused(void **state) {
        static const char *const bad[] = { "",        "text",      "<!-- <network/> -->",
                                           "<?xml?>", "<network>", "<network><a></network>" };
        Bytes *good = bytes_of("<network/>"), *made = NULL;

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                Bytes *bytes = bytes_of(bad[i]);

                assert_int_equal(hook_data_new(&made, bytes, NULL), -EBADMSG);
                assert_int_equal(hook_data_new(&made, good, bytes), -EBADMSG);
                bytes_unref(bytes);
        }
        assert_null(made);
        bytes_unref(good);
}

/* What we make ourselves passes our own check, and is about the same. */
static void test_what_is_built_is_a_document(void **state) {
        static const DocumentLimits limits = { .size = 65536, .depth = 16 };
        Bytes *network = bytes_of("<network>\n <name>a<![CDATA[<]]>&amp;</name>\n"
                                  " <uuid>afe4733d-5c0d-4baf-8afa-32cf4e9e2f3f</uuid>\n</network>");
        Bytes *port = bytes_of("<networkport>\n <uuid>6da5607b-ed8c-4c06-9f6a-7a9102a34147</uuid>\n"
                               " <owner><name>web-01</name></owner>\n</networkport>");
        DocumentInfo info;
        char *problem;
        Bytes *made;

        assert_int_equal(hook_data_new(&made, network, port), 0);
        assert_int_equal(
                document_check(made->data, made->size, DOCUMENT_NETWORK, &limits, &info, &problem),
                0);
        assert_int_equal(info.kind, DOCUMENT_HOOK_DATA);
        assert_string_equal(info.name, "a<&");
        assert_string_equal(info.uuid, "afe4733d-5c0d-4baf-8afa-32cf4e9e2f3f");
        assert_string_equal(info.port_uuid, "6da5607b-ed8c-4c06-9f6a-7a9102a34147");
        assert_string_equal(info.port_owner, "web-01");
        document_info_clear(&info);
        bytes_unref(made);
        bytes_unref(network);
        bytes_unref(port);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                sandboxed(test_all_recorded_documents_are_built_again),
                cmocka_unit_test(test_elements_on_lines_are_indented),
                cmocka_unit_test(test_a_document_in_one_line_stays_in_one_line),
                cmocka_unit_test(test_tabs_and_carriage_returns_stay),
                cmocka_unit_test(test_text_of_several_lines_is_left_alone),
                cmocka_unit_test(test_comments_are_left_alone),
                cmocka_unit_test(test_cdata_is_left_alone),
                cmocka_unit_test(test_processing_instructions_are_left_alone),
                cmocka_unit_test(test_attributes_are_left_alone),
                cmocka_unit_test(test_what_stands_around_the_root_is_dropped),
                cmocka_unit_test(test_elements_of_the_same_name_inside_do_not_end_it),
                cmocka_unit_test(test_bytes_beyond_ascii_stay),
                cmocka_unit_test(test_the_port_comes_after_the_network),
                cmocka_unit_test(test_a_port_gets_into_hook_data),
                cmocka_unit_test(test_the_document_need_not_end_with_a_nul),
                cmocka_unit_test(test_a_document_without_root_is_refused),
                cmocka_unit_test(test_what_is_built_is_a_document),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("hook-data", tests, NULL, NULL);
}
