/* blend -- what mixing two networks and spanning planes through them share. Private to src/probe. */
#ifndef WEFT_PROBE_BLEND_H
#define WEFT_PROBE_BLEND_H

#include "weft/probe.h"

bool blend_float(const Network *network, size_t tensor); /* not an integer one, such as batch norm's counters */
bool blend_find(const Network *network, const char *name, size_t *index); /* a tensor by its name */

#endif
