//! A simulator of LLM providers over real HTTP, with faults switchable at run time.
