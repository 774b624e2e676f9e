#!/usr/bin/env bash
# The same nodes made the usual way, for comparison: certificates with cfssl, kubeconfigs with kubectl, archives with tar and
# zstd, overlays with qemu-img, qemu-storage-daemon and debugfs. Everything else is taken ready-made from kubi's review trees.
# usage: by-hand.sh NODES BASE WORK    NODES: a folder of node folders that hold tree/; BASE: a raw ext4 image
set -euo pipefail
nodes=$1 base=$(realpath "$2") work=$3
mkdir -p "$work"
work=$(realpath "$work")
export base work

cat >"$work/config.json" <<'JSON'
{"signing": {"default": {"expiry": "8760h", "usages": ["signing", "digital signature", "server auth", "client auth"]}}}
JSON
request() { # name host
    printf '{"CN": "%s", "hosts": ["%s"], "key": {"algo": "ecdsa", "size": 256}, "names": [{"O": "kubernetes"}]}' "$1" "$2"
}
export -f request
request kubernetes '' >"$work/ca.request"
cfssl gencert -initca "$work/ca.request" 2>/dev/null | cfssljson -bare "$work/ca"

# One certificate and key beside each other, signed by the authority.
certificate() { # path without extension, name
    request "$2" "$2" >"$1.request"
    cfssl gencert -ca "$work/ca.pem" -ca-key "$work/ca-key.pem" -config "$work/config.json" "$1.request" 2>/dev/null |
        cfssljson -bare "$1"
    rm "$1.request" "$1.csr"
}

kubeconfig() { # path, user
    certificate "$1.client" "$2"
    kubectl config --kubeconfig "$1" set-cluster kubi --server https://192.0.2.1:6443 --embed-certs \
        --certificate-authority "$work/ca.pem" >/dev/null
    kubectl config --kubeconfig "$1" set-credentials "$2" --embed-certs --client-certificate "$1.client.pem" \
        --client-key "$1.client-key.pem" >/dev/null
    kubectl config --kubeconfig "$1" set-context kubi --cluster kubi --user "$2" >/dev/null
    kubectl config --kubeconfig "$1" use-context kubi >/dev/null
    rm "$1.client.pem" "$1.client-key.pem"
}

# Writes a tree into the root file system of an overlay, through a raw view of it.
overlay() { # node
    local image=$work/$1.qcow2 view=$work/$1.raw daemon
    qemu-img create -q -f qcow2 -b "$base" -F raw "$image"
    touch "$view"
    qemu-storage-daemon --blockdev driver=file,node-name=file,filename="$image" --blockdev driver=qcow2,node-name=disk,file=file \
        --export type=fuse,id=view,node-name=disk,mountpoint="$view",writable=on --pidfile "$work/$1.pid" --daemonize
    daemon=$(<"$work/$1.pid")
    (cd "$work/$1" && find . -mindepth 1 \( -type d -printf 'mkdir /%P\n' \) -o \( -type l -printf 'rm /%P\nsymlink /%P %l\n' \) \
        -o -printf 'rm /%P\nwrite %P /%P\nset_inode_field /%P mode 0100%m\n' >"$work/$1.commands" &&
        debugfs -w -f "$work/$1.commands" "$view" >/dev/null 2>&1)
    kill "$daemon"
    while kill -0 "$daemon" 2>/dev/null; do sleep 0.01; done
}

node() { # folder
    local name tree path
    name=$(basename "$1")
    tree=$work/$name
    cp -r "$1/tree" "$tree"
    while IFS= read -r path; do
        certificate "${path%.crt}" "$name"
        mv "${path%.crt}.pem" "$path"
        mv "${path%.crt}-key.pem" "${path%.crt}.key"
    done < <(find "$tree" -name '*.crt' ! -name '*ca.crt')
    while IFS= read -r path; do
        rm "$path"
        kubeconfig "$path" "$name"
    done < <(find "$tree" -name '*kubeconfig')
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$tree" -cf - . | zstd -q -3 -o "$work/$name.tar.zst"
    overlay "$name"
}
export -f certificate kubeconfig overlay node
find "$nodes" -mindepth 1 -maxdepth 1 -type d -print0 | xargs -0 -P "$(nproc)" -I{} bash -euo pipefail -c 'node "$1"' - {}
