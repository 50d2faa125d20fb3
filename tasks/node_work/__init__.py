"""Works on one node after the other, or in waves: gate, drain, act, proof, uncordon."""
