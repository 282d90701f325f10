#!/bin/sh
# Opens a report in headless Chromium: tests/reports/look.sh PAGE.html [PICTURE.png]. Fails if the console
# says anything but notes or a chart is not drawn. Prints one line. Exit 77 where there is no Chromium.
page=$(realpath "$1") || exit 1
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo "skip: no chromium here (Debian package chromium), so nobody looked at the charts"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
look() {
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-background-networking \
        --disable-dev-shm-usage --disable-sync --no-first-run --user-data-dir="$work/profile" --virtual-time-budget=20000 \
        --window-size=1200,4000 --enable-logging=stderr --v=0 "$@" "file://$page"
}
look --dump-dom >"$work/dom" 2>"$work/log" || {
    echo "chromium could not open $page"
    tail -5 "$work/log"
    exit 1
}
if [ -n "$2" ]; then
    look --screenshot="$2" >/dev/null 2>&1 || exit 1
fi
if grep ':CONSOLE' "$work/log"; then
    echo "the console is not empty"
    exit 1
fi
# the libraries inside the page hold the same words, so only the opening tags of figures count
charts=$(grep -c '^<figure class="chart' "$work/dom")
drawn=$(grep -c '^<figure class="chart[^>]*data-drawn="yes"' "$work/dom")
marks=$(grep -o '<path [^>]*aria-roledescription="[^"]*"' "$work/dom" | wc -l)
echo "$drawn of $charts charts drawn, $marks marks"
[ "$charts" -gt 0 ] && [ "$drawn" -eq "$charts" ] && [ "$marks" -ge "$charts" ]
