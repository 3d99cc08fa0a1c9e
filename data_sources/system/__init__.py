"""The machine: one sampler, rates as a pure function of two samples, gaps with reasons."""
