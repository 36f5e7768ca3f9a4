# at-work.sh browsing|jvm SECONDS: a program at work for that long, in a folder that it may fill.
programs=$(cd "$(dirname "$0")" && pwd)
case $1 in
browsing)
    exec chromium --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --dump-dom \
        "file://$programs/browse.html#$2"
    ;;
jvm)
    exec java -Xmx256m "$programs/Work.java" "$2"
    ;;
esac
echo "at-work.sh: no such work: $1" >&2
exit 2
