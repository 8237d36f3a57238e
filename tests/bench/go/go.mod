module example.com/etcd-shield/bench

go 1.22
