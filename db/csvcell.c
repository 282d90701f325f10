#include "db/csvcell.h"

#include <csv.h>
#include <stdbool.h>

void mop_csv_put_text(const char *text, size_t len, FILE *out)
{
    bool quote = len == 0 || text[0] == ' ' || text[len - 1] == ' ';
    for (size_t i = 0; i < len && !quote; i++)
        quote = text[i] == ',' || text[i] == '"' || (unsigned char)text[i] < ' ';
    if (quote)
        (void)csv_fwrite(out, text, len); /* the caller looks at ferror */
    else
        (void)fwrite(text, 1, len, out); /* likewise */
}
