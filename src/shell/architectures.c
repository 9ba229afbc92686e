/* architectures -- what help, the man page and completion say of them: all from the definitions. */
#include <stdlib.h>
#include <string.h>

#include "architectures.h"
#include "command.h"
#include "help.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

void architecture_folder_set(void) {
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    Str folder = {0};
    if (data && *data == '/')
        str_addf(&folder, "%s/weft/arch", data);
    else if (home && *home)
        str_addf(&folder, "%s/.local/share/weft/arch", home);
    architecture_folder(folder.length > 0 && !folder.failed ? folder.text : NULL);
    str_done(&folder);
}

static void add_family(const ArchitectureInfo *family, Str *out) {
    str_addf(out, "  %s%s%s%s\n", family->name, family->own ? " (" : "", family->own ? family->file : "",
             family->own ? ")" : "");
    str_addf(out, "      %s.\n", family->help);
    if (family->repositories[0]) str_addf(out, "      Names: %s.\n", family->repositories);
    if (family->preset_count > 0) {
        str_add(out, "      fit --arch:");
        for (size_t i = 0; i < family->preset_count; i++) str_addf(out, "%s%s", i > 0 ? ", " : " ", family->presets[i]);
        str_add(out, ".\n");
    }
    for (size_t i = 0; i < family->variant_count; i++)
        str_addf(out, "      %s:%s: %s.\n", family->name, family->variants[i].name, family->variants[i].help);
}

void architecture_families(bool own, Str *out) {
    Error err;
    ArchitectureList *list = architecture_list(NULL, &err);
    if (!list) {
        str_addf(out, "%s\n", err.text);
        return;
    }
    for (size_t i = 0; i < list->count; i++)
        if (own || !list->families[i].own) add_family(&list->families[i], out);
    if (own && list->broken.length > 0) str_addf(out, "\nLeft out:\n%s\n", list->broken.text);
    architecture_list_free(list);
}
