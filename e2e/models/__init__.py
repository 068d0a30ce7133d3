"""Small language models made on the spot: a target, a draft that derives from it, and a small one.

Nothing is downloaded. Weights follow from a seed, so two machines make the same files. The models
speak babble with the word statistics of `corpus.py`: enough for tokens, latency, prefix caching and
speculative decoding to be real, and honest about being nothing more.
"""
