# Flattens a JSON document to lines "path<TAB>value"; path parts are joined by "/". Control characters, backslashes and
# escaped non-ASCII characters of keys and values come out as octal escapes for printf %b. A bad document exits 1 with
# no line printed.
BEGIN { for (i = 0; i < 16; i++) hexval[substr("0123456789abcdef", i + 1, 1)] = i }
{ text = text $0 "\n" }
END {
    value("")
    token()
    if (kind != "end") fail()
    printf "%s", out
}

function fail() { print "json: bad document near: " substr(text, 1, 40) > "/dev/stderr"; exit 1 }

function token(    c) {
    sub(/^[ \t\r\n]+/, "", text)
    c = substr(text, 1, 1)
    if (c == "") { kind = "end"; return }
    if (index("{}[]:,", c)) { kind = c; text = substr(text, 2); return }
    if (c == "\"" && match(text, /^"([^"\\]|\\.)*"/)) kind = "string"
    else if (match(text, /^(true|false|null|-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) kind = "word"
    else fail()
    word = substr(text, 1, RLENGTH)
    text = substr(text, RLENGTH + 1)
    if (kind == "string") word = unescape(substr(word, 2, length(word) - 2))
}

function unescape(s,    done, at, c, code, low) {
    done = ""
    while ((at = index(s, "\\")) > 0) {
        done = done plain(substr(s, 1, at - 1))
        c = substr(s, at + 1, 1)
        s = substr(s, at + 2)
        if (c == "u") {
            code = hex(substr(s, 1, 4))
            s = substr(s, 5)
            if (code >= 55296 && code < 56320 && substr(s, 1, 2) == "\\u") {
                low = hex(substr(s, 3, 4))
                s = substr(s, 7)
                code = 65536 + (code - 55296) * 1024 + (low - 56320)
            }
            done = done utf8(code)
        }
        else if (c == "n") done = done "\\0012"
        else if (c == "t") done = done "\\0011"
        else if (c == "r") done = done "\\0015"
        else if (c == "b") done = done "\\0010"
        else if (c == "f") done = done "\\0014"
        else if (c == "\\") done = done "\\0134"
        else if (c == "\"" || c == "/") done = done c
        else fail()
    }
    return done plain(s)
}

# A raw line break or tab inside a string is not JSON, but must not break our lines either.
function plain(s) { gsub(/[\n\t]/, " ", s); return s }

function hex(s,    i, n, d) {
    s = tolower(s)
    n = 0
    for (i = 1; i <= 4; i++) {
        d = substr(s, i, 1)
        if (!(d in hexval)) fail()
        n = n * 16 + hexval[d]
    }
    return n
}

function utf8(code) {
    if (code == 0) return ""
    if (code < 32 || code == 92 || code == 127) return sprintf("\\0%03o", code)
    if (code < 128) return sprintf("%c", code)
    if (code < 2048) return octal(192 + int(code / 64)) octal(128 + code % 64)
    if (code < 65536) return octal(224 + int(code / 4096)) octal(128 + int(code / 64) % 64) octal(128 + code % 64)
    return octal(240 + int(code / 262144)) octal(128 + int(code / 4096) % 64) octal(128 + int(code / 64) % 64) octal(128 + code % 64)
}
function octal(byte) { return sprintf("\\0%03o", byte) }

function join(path, part) { return path == "" ? part : path "/" part }

function value(path) { token(); value_of(path) }

function value_of(path,    i, key) {
    if (kind == "string" || kind == "word") { out = out path "\t" word "\n"; return }
    if (kind == "[") {
        token()
        for (i = 0; kind != "]"; i++) {
            value_of(join(path, i))
            token()
            if (kind == ",") { token(); if (kind == "]") fail() }
            else if (kind != "]") fail()
        }
        return
    }
    if (kind == "{") {
        token()
        while (kind != "}") {
            if (kind != "string") fail()
            key = word
            token()
            if (kind != ":") fail()
            value(join(path, key))
            token()
            if (kind == ",") { token(); if (kind != "string") fail() }
            else if (kind != "}") fail()
        }
        return
    }
    fail()
}
