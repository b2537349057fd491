module hearth.bench/peer

go 1.18
