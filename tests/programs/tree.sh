# Clones a repository, builds it and looks at its state, in the folder that is named.
set -e
cd "$1"
mkdir work
cd work
export GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
git init -q -b main first
cd first
mkdir -p src include
cat > include/greet.h <<'END'
void greet(const char *whom);
END
cat > src/greet.c <<'END'
#include <stdio.h>
#include "greet.h"
void greet(const char *whom) { printf("hello, %s\n", whom); }
END
cat > src/main.c <<'END'
#include "greet.h"
int main(int argc, char **argv) { greet(argc > 1 ? argv[1] : "tree"); return 0; }
END
printf 'build\n' > .gitignore
for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    echo "file $number" > "file-$number"
done
ln -s src/main.c program.c
git add .
git commit -q -m first
echo more >> file-1
git mv file-2 moved
git commit -q -a -m second
cd ..
git clone -q first second
cd second
git log --format='%H %s'
mkdir build
gcc -Iinclude -O1 -o build/greet src/*.c
build/greet
build/greet world
git status --short
echo changed > file-3
rm file-4
touch new
git status --short
git diff --stat
git stash -q
git status --short
git fsck --strict
git gc -q
git repack -a -d -q
git log --oneline | wc -l
cp -a . ../third
cd ../third
find . -name .git -prune -o -print | sort
git status --short
cd ../..
rm -rf work
