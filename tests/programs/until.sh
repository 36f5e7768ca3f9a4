# until.sh WORDS: reads standard input until a server has written a line with these words, or has ended.
while read -r said; do
    case $said in
    *"$1"*) exit ;;
    esac
done
