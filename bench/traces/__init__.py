"""What a listener hears over mobile links: traces, played to ours, to other rules, and to the optimum.

    python -m bench.traces --traces DIR --only metro --scales 1,0.25 --policies ours,optimum

`trace` is the links, `optimum` the best that could be done on them by who knew the future, `network` plays
them to the real client and server on virtual time, `fluid` to rules and to plain TCP without a network, and
`metrics` judges what was heard. `runs` spreads them over the cores, `report` is tables and charts.
"""
