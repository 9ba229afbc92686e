#!/usr/bin/env python3
"""make -- computes the files of this folder anew: make.py [networks] [weights] [predictors] [files] [stats] [optimisers] (all)."""
import sys

import make_files
import make_networks
import make_optimisers
import make_predictors
import make_stats
import make_weights

PARTS = {"networks": make_networks, "weights": make_weights, "predictors": make_predictors, "files": make_files,
         "stats": make_stats, "optimisers": make_optimisers}

for part in sys.argv[1:] or PARTS:
    if part not in PARTS:
        sys.exit(f"make.py: no part {part}; there are {', '.join(PARTS)}")
    PARTS[part].make()
