# Programs that have files as their memory: Python's mmap, and SQLite, whose processes share the index of the log so.
import mmap, os, sqlite3, sys

os.chdir(sys.argv[1])
os.mkdir("work")
os.chdir("work")

with open("file", "wb") as file:
    file.write(b"from the file" + bytes(10000))
with open("file", "r+b") as file:
    memory = mmap.mmap(file.fileno(), 0)
    print(memory[:13], len(memory))
    memory[:4] = b"into"
    memory.flush()
    memory.resize(50000)
    memory[49990:] = b"at the end"
    print(os.fstat(file.fileno()).st_size, memory.find(b"the end"))
    memory.move(100, 0, 13)
    memory.close()
with open("file", "rb") as file:
    content = file.read()
    print(content[:13], content[100:113], content[-10:], len(content))
    seen = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    print(seen[-3:], sum(seen[:]))
    seen.close()


def opened():
    database = sqlite3.connect("data", timeout=60, isolation_level=None)
    database.execute("pragma mmap_size = 1000000")
    return database


def begin(database):
    # However long the others take.
    while True:
        try:
            database.execute("begin immediate")
            return
        except sqlite3.OperationalError as error:
            if str(error) not in ("database is locked", "locking protocol"):
                raise


database = opened()
print(database.execute("pragma journal_mode = wal").fetchone())
database.execute("create table counts (who integer, what integer)")
database.close()
children = []
for who in range(4):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        database = opened()
        for what in range(50):
            begin(database)
            before = database.execute("select count(*) from counts where who = ?", (who,)).fetchone()
            assert before == (what,), before
            database.execute("insert into counts values (?, ?)", (who, what))
            database.execute("commit")
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
database = opened()
print(database.execute("select who, count(*), sum(what) from counts group by who").fetchall())
print(database.execute("pragma integrity_check").fetchone())
print(sorted(name for name in os.listdir(".")))
database.close()
for name in os.listdir("."):
    os.unlink(name)
os.chdir("..")
os.rmdir("work")
