/* Long names in few columns: different names stay different while the width allows it, and no short form is wider. */
#include "weft/base/text.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void is_cut(const char *const *names, size_t count, size_t width, const char *const *expected) {
    bool apart;
    const TextCut cut = text_cut(names, count, width, &apart);
    assert_true(apart);
    for (size_t i = 0; i < count; i++) {
        Str out = {0};
        text_add_cut(&out, names[i], &cut);
        assert_string_equal(str_text(&out), expected[i]);
        str_done(&out);
    }
}
#define CUT(width, names, ...) is_cut(names, sizeof(names) / sizeof *(names), width, (const char *const[]){__VA_ARGS__})

static void shared_parts_are_dropped(void **state) {
    (void)state;
    static const char *const layers[] = {"model.encoder.layers.0.attention.weight", "model.encoder.layers.1.mlp.weight",
                                         "model.encoder.layers.10.mlp.weight", "all"};
    CUT(40, layers, layers[0], layers[1], layers[2], "all");
    CUT(20, layers, "…0.attention.weight", "…1.mlp.weight", "…10.mlp.weight", "all");
    CUT(14, layers, "…0.attention…", "…1.mlp…", "…10.mlp…", "all");
    static const char *const middle[] = {"first_part_of_it_a", "first_part_of_it_b", "other_part_of_it_a"};
    CUT(8, middle, "fir…it_a", "fir…it_b", "oth…it_a");
    static const char *const same[] = {"equal names are no reason", "equal names are no reason"};
    CUT(7, same, "…reason", "…reason");
    static const char *const wide[] = {"水水水水水甲", "水水水水水乙"};
    CUT(5, wide, "水…甲", "水…乙");
}

/* The case of the longnames folder: 36 layers that differ in the middle and near the end, at every width. */
static void names_stay_apart(void **state) {
    (void)state;
    char text[36][128];
    const char *names[36];
    for (int i = 0; i < 36; i++) {
        snprintf(text[i], sizeof text[i],
                 "base_model.model.vision_tower.vision_model.encoder.layers.%d.self_attn.conv_projection_%c.weight",
                 i / 3, "qkv"[i % 3]);
        names[i] = text[i];
    }
    for (size_t width = 1; width <= 100; width++) {
        bool apart;
        const TextCut cut = text_cut(names, 36, width, &apart);
        Str short_name[36] = {0};
        size_t equal = 0;
        for (int i = 0; i < 36; i++) {
            text_add_cut(&short_name[i], names[i], &cut);
            assert_true(text_columns(str_text(&short_name[i])) <= width);
            for (int k = 0; k < i; k++) equal += !strcmp(str_text(&short_name[i]), str_text(&short_name[k]));
        }
        assert_int_equal(apart, equal == 0);
        assert_true(apart || width < 7); /* "…10…k…" */
        for (int i = 0; i < 36; i++) str_done(&short_name[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shared_parts_are_dropped), cmocka_unit_test(names_stay_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
