# SPDX-License-Identifier: Apache-2.0
# Makes the Markdown of a page ready for lowdown -Tman: the title and the line after it become the section NAME, links
# to pages of commands become references, and other links keep their words alone.
#   awk -v name=bulkhead-check -v purpose='...' -f man.awk PAGE
function unlinked(line,    before, words, target, after) {
    while (match(line, /\[[^]]*\]\([^)]*\)/)) {
        before = substr(line, 1, RSTART - 1)
        after = substr(line, RSTART + RLENGTH)
        words = substr(line, RSTART + 1, RLENGTH - 2)
        target = words
        sub(/\]\(.*/, "", words)
        sub(/.*\]\(/, "", target)
        if (target ~ /^bulkhead-[a-z-]*\.md$/) {
            sub(/\.md$/, "(8)", target)
            words = "**" target "**"
        } else if (target == "README.md" && words == "bulkhead") {
            words = "**bulkhead**(8)"
        }
        line = before words after
    }
    return line
}
/^<!--.*-->$/ { next }
/^```/ { isCode = !isCode }
!isCode && /^# / && !hasName { hasName = 1; isPurposeNext = purpose == ""; printPurpose(purpose); next }
function printPurpose(words) {
    if (words != "") printf "# NAME\n\n%s - %s\n", name, words
}
isPurposeNext && NF { sub(/\.$/, ""); isPurposeNext = 0; printPurpose(tolower(substr($0, 1, 1)) substr($0, 2)); next }
!isCode && /^## / { print "# " toupper(substr($0, 4)); next }
!isCode && /^### / { print "## " substr($0, 5); next }
isCode { print; next }
{ print unlinked($0) }
