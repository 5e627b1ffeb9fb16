# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that only look as if they loaded a model: none may be a load."""
import os
import shutil
import subprocess

import places
from rows import NOT, Row, shell


def program(name, *words, **more):
    return Row(name, NOT, words, **more)


def script(name, text, **more):
    return Row(name, NOT, shell(text), **more)


def passes(name, verb, *files):
    paths = ["{" + file + "}" for file in files]
    return Row(name, NOT, ("{python}", "{programs}/passes.py", verb, *paths), files)


def fio(engine, *options):
    words = ("fio", "--name=read", "--readonly", "--filename={model}", "--rw=read", "--bs=1M",
             f"--ioengine={engine}", "--output=/dev/null", *options)
    return Row(f"fio, {engine}{' direct' if '--direct=1' in options else ''}", NOT, words)


def _noise(path, size):
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


def _array(world, folder, _stack):
    path = os.path.join(folder, "samples.npy")
    world.run_program(world.names()["python"], os.path.join(world.programs, "framework.py"),
                      "npy_save", path)
    return {"array": path}


def _parquet(_world, folder, _stack):
    path = os.path.join(folder, "train-00000.parquet")
    _noise(path, 128 << 20)
    with open(path, "r+b") as file:
        file.write(b"PAR1")
        file.seek(-4, os.SEEK_END)
        file.write(b"PAR1")
    return {"records": path}


def _same(world, folder, _stack):
    path = os.path.join(folder, "model.safetensors")
    shutil.copyfile(world.files["model"], path)
    return {"same": path}


def _image(suffix, *command):
    """An archive of a tree with many files."""
    def setup(world, folder, _stack):
        tree = os.path.join(folder, "tree")
        for number in range(8):
            os.makedirs(os.path.join(tree, f"layer{number}"))
            for part in range(12):
                _noise(os.path.join(tree, f"layer{number}", str(part)), 1 << 20)
        path = os.path.join(folder, "image" + suffix)
        names = {**world.names(), "image": path}
        world.run_program(*[word.format(**names) for word in command], cwd=tree)
        return {"image": path}
    return setup


def _sqlite(world, folder, _stack):
    path = os.path.join(folder, "table.db")
    world.run_program(
        "sqlite3", path, "create table t(x); with recursive n(i) as (values(1) union all "
        "select i + 1 from n where i < 50000) insert into t select randomblob(3000) from n;")
    return {"table": path}


def _object(world, folder, _stack):
    """A large object file, and a program that names what is in it."""
    blob, main = os.path.join(folder, "blob.o"), os.path.join(folder, "main.c")
    world.run_program("objcopy", "-I", "binary", "-O", "elf64-x86-64", world.files["model"], blob)
    with open(main, "w", encoding="utf-8") as file:
        file.write("int main(void) { return 0; }\n")
    return {"blob": blob, "main": main}


def _postgresql(world, folder, stack):
    """A private cluster with a table over the floor, and hardly a cache of its own."""
    versions = sorted(os.listdir("/usr/lib/postgresql"), key=int)
    programs = f"/usr/lib/postgresql/{versions[-1]}/bin"
    data = os.path.join(folder, "data")
    os.makedirs(data)
    world.run_program("chown", "postgres", folder, data)

    def as_postgres(*words):
        world.run_program("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups",
                          *words, cwd=folder)

    def psql(text):
        as_postgres("psql", "-h", folder, "-q", "-d", "postgres", "-c", text)

    as_postgres(f"{programs}/initdb", "-D", data, "-A", "trust", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c shared_buffers=1MB -c fsync=off"
    log = os.path.join(folder, "log")
    as_postgres(f"{programs}/pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
    stack.callback(as_postgres, f"{programs}/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    psql("create unlogged table t as select i, repeat(md5(i::text), 30) as x "
         "from generate_series(1, 150000) i")
    psql("vacuum t")
    psql("checkpoint")
    path = subprocess.run(["psql", "-h", folder, "-U", "postgres", "-At", "-c",
                           "select pg_relation_filepath('t')"], capture_output=True, text=True,
                          check=True, stdin=subprocess.DEVNULL).stdout.strip()
    return {"relation": os.path.join(data, path)}


_RESTIC = (("RESTIC_PASSWORD", "test"),)
_BORG = (("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"),)
_GIT = "git init -q --bare {out}/r.git; git --git-dir={out}/r.git --work-tree={models} "

CONFUSERS = (
    program("cp", "cp", "{model}", "{out}/copy"),
    script("cp under another name", "cp /bin/cp {out}/keeper; {out}/keeper {model} {out}/copy"),
    script("cat", "cat {model} >/dev/null"),
    program("sha256sum", "sha256sum", "{model}"),
    program("md5sum", "md5sum", "{model}"),
    program("wc", "wc", "-c", "-l", "{model}"),
    script("tar, create", "tar cf - -C {models} model.safetensors | cat >/dev/null"),
    script("tar, a file", "tar cf {out}/model.tar -C {models} model.safetensors"),
    program("rsync", "rsync", "-a", "{model}", "{out}/"),
    script("restic", "restic init -q -r {out}/repo; "
                     "restic backup -q --no-cache -r {out}/repo {model}", environment=_RESTIC),
    script("borg", "export BORG_BASE_DIR={out}/borg; borg init -e none {out}/repo; "
                   "borg create {out}/repo::one {model}", environment=_BORG),
    script("gzip", "gzip -1 -c {model} >/dev/null"),
    script("zstd", "zstd -q -1 -c {model} >/dev/null"),
    program("dd", "dd", "if={model}", "of=/dev/null", "bs=1M"),
    program("dd, O_DIRECT", "dd", "if={model}", "of=/dev/null", "bs=1M", "iflag=direct"),
    fio("psync"),
    fio("libaio", "--direct=1", "--iodepth=16"),
    fio("io_uring", "--iodepth=16"),
    fio("mmap"),
    script("download, then rename", "curl -s -o {out}/part file://{model}; "
                                    "mv {out}/part {out}/model.safetensors"),
    program("torch.save, then rename", "{python}", "{programs}/framework.py", "torch_checkpoint",
            "{out}/model.pt", files=()),
    program("PostgreSQL, sequential scan", "psql", "-h", "{folder}", "-U", "postgres", "-c",
            "select sum(length(x)) from t", files=("relation",), setup=_postgresql),
    program("SQLite, scan", "sqlite3", "{table}", "select sum(instr(x, x'00')) from t",
            files=("table",), setup=_sqlite),
    script("git add", _GIT + "add {model}"),
    script("git hash-object", "git hash-object {model}"),
    program("objcopy", "objcopy", "-I", "binary", "-O", "elf64-x86-64", "{model}", "{out}/blob.o"),
    program("ld, a model as data", "ld", "-r", "-b", "binary", "-o", "{out}/blob.o", "{model}"),
    program("gcc, a large object", "gcc", "-o", "{out}/program", "{main}", "{blob}",
            files=("blob",), setup=_object),
    program("updatedb", "updatedb", "-l", "0", "-o", "{out}/db", "-U", "/usr", files=()),
    program("find", "find", "{models}", "-size", "+64M", files=()),
    script("grep", "grep -c tuneshift {model} || test $? = 1"),
    script("ripgrep", "rg -a -c tuneshift {model} || test $? = 1"),
    program("cmp", "cmp", "{model}", "{same}", files=("model", "same"),
            setup=_same),
    program("file", "file", "{model}"),
    passes("python, hashlib", "digest", "model"),
    program("numpy.load, an array", "{python}", "{programs}/framework.py", "npy_load", "{array}",
            files=("array",), setup=_array),
    program("numpy.load, a mapped array", "{python}", "{programs}/framework.py", "npy_map",
            "{array}", files=("array",), setup=_array),
    passes("python, header alone", "header", "shard1", "shard2", "shard3"),
    passes("python, mapped header alone", "mapped_header", "shard1", "shard2", "shard3"),
    program("parquet reader with a GPU node",
            *places.with_gpu_node("{python}", "{programs}/passes.py", "epochs", "{records}"),
            files=("records",), setup=_parquet),
    program("tar, unpack an image", "tar", "xf", "{image}", "-C", "{out}", files=("image",),
            setup=_image(".tar", "tar", "cf", "{image}", ".")),
    program("unzip an image", "unzip", "-q", "{image}", "-d", "{out}", files=("image",),
            setup=_image(".zip", "{python}", "-m", "zipfile", "-c", "{image}", ".")),
)
