"""An emulated access link between two network namespaces, for any unmodified program.

    sudo python -m bench.lab up --rate 400 --rtt 200 --queue 20000
    sudo python -m bench.lab run --in server -- python3 -m http.server
    sudo python -m bench.lab run -- curl -O http://10.77.0.2:8000/track
    sudo python -m bench.lab down

`link` describes a link, `pipe` is one direction of it without a socket or a clock,
`emulator` moves packets between two TUN devices through two pipes, `namespaces` puts
these devices where programs find them, `selftest` checks it all against theory.
"""
