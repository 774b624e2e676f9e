#!/bin/sh
# Reviews a change of a cluster in CI: builds both revisions in memory, writes what changes on every node as markdown, posts
# it, and fails when a risk is high.
#
#   review.sh BASE HEAD [FOLDER]
#
# FOLDER holds cluster.yaml; the repository's own when not given. The text goes to kubi-diff.md, and to the standard input
# of the command in KUBI_REVIEW_POST, if there is one; where that fails, the text is printed and the verdict stays.
# KUBI_REVIEW_FAIL_ON is high, medium, low or any.
# No secret is needed: without an identity both sides get the same stand-in keys.
set -eu
base=${1:?usage: review.sh BASE HEAD [FOLDER]}
head=${2:?usage: review.sh BASE HEAD [FOLDER]}
folder=${3:-.}
text=kubi-diff.md

status=0
kubi diff -f "$folder" "$base..$head" --format markdown --fail-on "${KUBI_REVIEW_FAIL_ON:-high}" > "$text" || status=$?
case $status in
0 | 5) ;; # compared; 5: there is a risk that is refused
*)
    cat "$text" >&2
    exit "$status"
    ;;
esac
if [ -z "${KUBI_REVIEW_POST:-}" ]; then
    cat "$text"
elif ! sh -c "$KUBI_REVIEW_POST" < "$text"; then
    echo "review: the text could not be posted; here it is" >&2
    cat "$text"
fi
if [ "$status" = 5 ]; then
    echo "review: a risk is refused; see $text" >&2
fi
exit "$status"
