// Prints vectors.json: what Go's own text/template makes of each template below.
//
//	go run test/outputs/gotemplate/vectors.go > test/outputs/gotemplate/vectors.json
//
// The data and the functions are those that secret files are rendered with.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

type Secret struct{ Alias, Value string }

type Data struct {
	SecretsArray []*Secret
	SecretsMap   map[string]*Secret
}

var secrets = []*Secret{
	{"user", "web"},
	{"password", "p@ss \"w'ord\" <&> $HOME=`x`"},
	{"key", "aGVsbG8gd29ybGQ="},
	{"empty", ""},
	{"multi", "line one\nline two\ttab"},
	{"unicode", "héllo wörld 日本 😀\u00a0\u200b"},
	{"binary", "\xff\xfe\x00\x01 ok \x7f"},
	{"number", "42"},
	{"path/to.it", "slash"},
}

type vector struct {
	Template string `json:"template"`
	// Base64 of what comes out.
	Output string `json:"output,omitempty"`
	// "parse" or "render" where it fails.
	Fails string `json:"fails,omitempty"`
	Line  int    `json:"line,omitempty"`
	// From 0 and in bytes, as Go counts; only a failure to render has one.
	Column *int `json:"column,omitempty"`
}

func main() {
	vectors := []vector{}
	for _, text := range templates() {
		vectors = append(vectors, run(text))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	if err := out.Encode(map[string]any{"secrets": encoded(), "vectors": vectors}); err != nil {
		panic(err)
	}
}

func encoded() [][2]string {
	all := [][2]string{}
	for _, s := range secrets {
		all = append(all, [2]string{s.Alias, base64.StdEncoding.EncodeToString([]byte(s.Value))})
	}
	return all
}

var place = regexp.MustCompile(`^template: t:(\d+)(?::(\d+))?:`)

func run(text string) vector {
	data := Data{secrets, map[string]*Secret{}}
	for _, s := range secrets {
		data.SecretsMap[s.Alias] = s
	}
	functions := template.FuncMap{
		"secret": func(alias string) (string, error) {
			if s, ok := data.SecretsMap[alias]; ok {
				return s.Value, nil
			}
			return "", fmt.Errorf("no such alias")
		},
		"b64enc": func(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) },
		"b64dec": func(value string) (string, error) {
			decoded, err := base64.StdEncoding.DecodeString(value)
			return string(decoded), err
		},
	}
	t, err := template.New("t").Funcs(functions).Parse(text)
	if err != nil {
		return failure(text, "parse", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return failure(text, "render", err)
	}
	return vector{Template: text, Output: base64.StdEncoding.EncodeToString(out.Bytes())}
}

func failure(text, stage string, err error) vector {
	v := vector{Template: text, Fails: stage}
	if found := place.FindStringSubmatch(err.Error()); found != nil {
		v.Line, _ = strconv.Atoi(found[1])
		if found[2] != "" {
			column, _ := strconv.Atoi(found[2])
			v.Column = &column
		}
	}
	return v
}

func templates() []string {
	all := append([]string{}, written...)
	for _, verb := range []string{"%v", "%s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%# X", "%d", "%T", "%10s|", "%-10s|", "%010s|", "%.3s|", "%10.3q|", "%.2x", "%#v", "%+v", "%t", "%c", "%U", "%e"} {
		for _, alias := range []string{"user", "empty", "unicode", "binary"} {
			all = append(all, fmt.Sprintf(`{{ printf "%s" (secret "%s") }}`, verb, alias))
		}
	}
	for _, verb := range []string{"%v", "%d", "%+d", "% d", "%5d|", "%-5d|", "%05d|", "%.3d|", "%8.3d|", "%-08d|", "%+06d|", "%b", "%#b", "%o", "%#o", "%O", "%x", "%X", "%#x", "%#X", "%c", "%q", "%+q", "%U", "%#U", "%#v", "%T", "%s", "%t", "%f", "%08b|", "%#010x|", "%.0d|", "%3c|", "%06q|"} {
		for _, number := range []string{"0", "42", "-7", "0x1F600"} {
			all = append(all, fmt.Sprintf(`{{ printf "%s" %s }}`, verb, number))
		}
	}
	for _, verb := range []string{"%v", "%e", "%E", "%f", "%F", "%g", "%G", "%.2f", "%8.2f|", "%-8.1f|", "%08.2f|", "%+.1f", "% .1f", "%.0f", "%.3g", "%.10g", "%.0e", "%.3e", "%T", "%d", "%s", "%20.5e|"} {
		for _, number := range []string{"0.0", "1.5", "-2.25", "1e6", "1e21", "123456789.0", "1e-7", "0.1", "2.5", "1e100", "0x1p-2"} {
			all = append(all, fmt.Sprintf(`{{ printf "%s" %s }}`, verb, number))
		}
	}
	for _, operator := range []string{"eq", "ne", "lt", "le", "gt", "ge"} {
		for _, pair := range []string{"1 2", "2 2", "3 2", `"a" "b"`, `"b" "b"`, "1.5 2.5", "2.5 2.5", "true true", "true false", `1 "1"`, "1 1.0", `"é" "z"`, "nil nil", "nil 1", `(index "abc" 0) 97`, `97 (index "abc" 0)`, "$ $", ".SecretsArray .SecretsArray", `(index .SecretsArray 0) (index .SecretsArray 0)`, `(index .SecretsMap "none") nil`, ".SecretsMap.none nil", "'a' 97", ""} {
			all = append(all, fmt.Sprintf(`{{ %s %s }}`, operator, pair))
		}
	}
	for _, function := range []string{"html", "js", "urlquery", "b64enc", "len", "print", "println", "not", "b64dec"} {
		for _, s := range secrets {
			all = append(all, fmt.Sprintf(`{{ secret "%s" | %s }}`, s.Alias, function))
		}
		for _, argument := range []string{"1", "1.5", "true", "nil", ".SecretsMap.none", "1 2 \"a\" \"b\" 3", "", "(index .SecretsArray 0)", "'x'", "(index \"abc\" 1)"} {
			all = append(all, fmt.Sprintf(`{{ %s %s }}`, function, argument))
		}
	}
	for _, bytes := range []string{`\xc1\xbf`, `\xc2\x7f`, `\xc2\x80`, `\xe0\x80\x80`, `\xe0\x9f\xbf`, `\xe0\xa0\x80`, `\xed\x9f\xbf`, `\xed\xa0\x80`, `\xed\xbf\xbf`, `\xee\x80\x80`, `\xf0\x80\x80\x80`, `\xf0\x8f\xbf\xbf`, `\xf0\x90\x80\x80`, `\xf4\x8f\xbf\xbf`, `\xf4\x90\x80\x80`, `\xf5\x80\x80\x80`, `\xc3`, `\xe2\x82`, `\xf0\x9f\x98`, `\xc3a`, `\xe2\x82a`, `\xe2a\x82`, `\x80`, `\xbf\xbf`, `\x7f`, `\x7e`, `\x1f`, `\x20`, `\t`, `\x60`, `\ufeff`, `\ufffd`, `\u00a0`, `\uffff`, `\U00010000`, `\U0010ffff`} {
		all = append(all, fmt.Sprintf(`{{ printf "%%q|%%+q|%%#q|%%.1s|%%3s|%%x" "%[1]s" "%[1]s" "%[1]s" "%[1]sz" "%[1]s" "%[1]s" }}`, bytes), fmt.Sprintf(`{{ js "%s" }}`, bytes))
	}
	for _, rune := range []string{"0x1f", "0x20", "0x7e", "0x7f", "0x80", "0xa0", "0xad", "0x3ff", "0xd7ff", "0xd800", "0xdfff", "0xe000", "0xfffd", "0xfffe", "0xffff", "0x10000", "0x10ffff", "0x110000", "-1"} {
		all = append(all, fmt.Sprintf(`{{ printf "%%c|%%q|%%+q|%%U|%%#U|%%.7U|%%#10U" %[1]s %[1]s %[1]s %[1]s %[1]s %[1]s %[1]s }}`, rune))
	}
	for _, number := range []string{"0.0", "0.5", "1.5", "2.5", "3.5", "0.05", "9.995", "99999.5", "999999.5", "123456.0", "1234567.0", "0.0001234", "0.00001234", "0.0001", "0.00001", "1e20", "1e21", "1e22", "5e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "4503599627370497.5", "9007199254740993.0", "100.0", "-0.0", "-1.5", "1200000.0"} {
		all = append(all, fmt.Sprintf(`{{ printf "%%v|%%g|%%e|%%f|%%.0f|%%.1f|%%.2f|%%.0e|%%.1e|%%.0g|%%.1g|%%.2g|%%.3g|%%.6g|%%.7g|%%.17g|%%.20f" %s }}`, strings.TrimSpace(strings.Repeat(number+" ", 17))))
	}
	return append(all, edges...)
}

// Where a small break of ours would show.
var edges = []string{
	// Numbers and characters.
	`{{ 0x1p4 }}`, `{{ 0x.8p1 }}`, `{{ 0x1.8p-2 }}`, `{{ 0x1.p1 }}`, `{{ -0x1p4 }}`, `{{ +0x1P4 }}`, `{{ 0x1p10 }}`, `{{ 0x12p1 }}`, `{{ 0xp1 }}`, `{{ 0x.p1 }}`, `{{ 0x1p }}`, `{{ 0x1p1.5 }}`, `{{ 0x1.8 }}`, `{{ +0x10 }}`, `{{ -0xff }}`, `{{ 0x_1 }}`, `{{ 0x1_0p1 }}`, `{{ 1_0.5 }}`, `{{ 1_.5 }}`, `{{ 1._5 }}`, `{{ 1_ }}`, `{{ 0b2 }}`, `{{ 0o8 }}`, `{{ .25 }}`, `{{ 5.e1 }}`, `{{ 1e }}`, `{{ 1e+5 }}`, `{{ 1e+ }}`, `{{ 1.5.5 }}`, `{{ 9223372036854775807 }}`, `{{ -9223372036854775808 }}`, `{{ -9223372036854775809 }}`, `{{ 0x1_fp1 }}`, `{{ 0x_1p1 }}`, `{{ 0x1_p1 }}`, `{{ 0x1p1_0 }}`, `{{ 0x1._8p1 }}`, `{{ 0x1.8_8p1 }}`, `{{ 1e400 }}`, `{{ 0x1p2000 }}`, `{{ 'a'b }}`, `{{ '\x4' }}`, `{{ '\x4g' }}`, `{{ '\101' }}`, `{{ '\1012' }}`, `{{ '\8' }}`, `{{ '\u00e9' }}`, `{{ '\ud7ff' }}`, `{{ '\ud800' }}`, `{{ '\udfff' }}`, `{{ '\ue000' }}`, `{{ '\U0010ffff' }}`, `{{ '\U00110000' }}`, `{{ "\U00110000" }}`, `{{ "\udfff" }}`, `{{ "\ue000" }}`, `{{ "a\"b" }}`, "{{ `a`b }}", `{{ print 'a' 'b' }}`,
	// Text, trimming, comments.
	"a{{- /* c */ -}}b", "a {{/* c */}} b", "{{/* c }}", "{{/* c */ }}", "a {{- \"x\" }}", "{{ 1 -}} \n\t x", "x \n\t{{- 1 }}", "x {{- 1 -}} {{- 2 -}} y", "x{{- -}}y", "{{ \"-}}\" }}", "{{ \" -}}\" -}} y", "{{ 1 -}}{{ 2 }} {{- 3 }}", "a{{", "{{-", "{{- ", "{{ `a", "{{ 'a", "x -}} y", "x {{ 1-}} y", "x {{ 1\n-}} y", " {{/* a */ -}} {{- /* b */}} ", "{{/**/}}", "{{/*/}}", "a\n{{/* c\n", "{{ 1 }} x {{/* c */ - }}", "  \n ",
	// Words, signs, brackets.
	`{{ 1x }}`, `{{ .a#b }}`, `{{ # }}`, `{{ $a# }}`, `{{ a.b.c }}`, `{{ .a( }}`, `{{ .SecretsMap.user.Value) }}`, `{{ (1 }}`, `{{ ((1) }}`, `{{ print "a" , }}`, `{{ 1 , 2 }}`, `{{ . .SecretsMap }}`, `{{ print .SecretsMap.user.Value .SecretsMap.number.Value }}`, `{{ print (1).X }}`, `{{ print 1.X }}`, `{{ print "a".X }}`, `{{ print true.X }}`, `{{ print nil.X }}`, `{{ true.X }}`, `{{ (print "a").X }}`, `{{ (.SecretsMap.user).Value }}`, `{{ (index .SecretsArray 1).Alias | len }}`, `{{ print ()}}`, `{{ (print) }}`, `{{ print | print 1 }}`, `{{ 1 | print | }}`, `{{ print 1 |}}`, `{{ printf "%d" 1 | printf "%s" | len }}`, `{{ (1) (2) }}`, `{{ "a" "b" | print }}`,
	// Variables.
	`{{ $x, $y := 1 }}`, `{{ $x, 1 }}`, `{{ with $x, $y := 1 }}{{ end }}`, `{{ if $x, $y := 1 }}{{ end }}`, `{{ range $x, $y = .SecretsArray }}{{ end }}`, `{{ $x := }}`, `{{ $x := 1 | }}`, `{{ $x := 1 }}{{ with $x := 2 }}{{ $x }}{{ end }}{{ $x }}`, `{{ with $x := "" }}a{{ else }}{{ $x }}b{{ end }}`, `{{ $x := 1 }}{{ $x.Y }}`, `{{ $x := 1 }}{{ $x 1 }}`, `{{ $x := 1 }}{{ 1 | $x }}`, `{{ if $x := 3 }}{{ $x }}{{ end }}{{ $x }}`, `{{ $x := 1 }}{{ $x := 2 }}{{ $x }}`, `{{ range $x := 2 }}{{ $x = 5 }}{{ $x }}{{ end }}`, `{{ $x := 0 }}{{ range 3 }}{{ $x = . }}{{ end }}{{ $x }}`, `{{ $x := 0 }}{{ range $x = 3 }}{{ . }}{{ end }}{{ $x }}`, `{{ $x := $.SecretsMap.user }}{{ $x.Value }}`, `{{ $x := 1 }}{{ define "v" }}{{ $x }}{{ end }}`, `{{ $ := 1 }}{{ $ }}`,
	// Branches and loops.
	`{{ with 0 }}a{{ else with 2 }}{{ . }}{{ end }}`, `{{ if 0 }}a{{ else with 2 }}{{ . }}{{ end }}`, `{{ with 0 }}a{{ else if 1 }}b{{ end }}`, `{{ with 1 }}{{ . }}{{ else with 2 }}b{{ end }}`, `{{ range 0 }}{{ else with 1 }}{{ end }}`, `{{ range 0 }}{{ else range 1 }}{{ end }}`, `{{ if 0 }}{{ else range 2 }}{{ end }}`, `{{ if 1 }}{{ else 2 }}{{ end }}`, `{{ if 1 }}{{ else if }}{{ end }}`, `{{ if 1 }}{{ end 1 }}`, `{{ if 1 }}a{{ else }}b{{ else }}c{{ end }}`, `{{ with 1 }}a{{ else }}b{{ else }}c{{ end }}`, `{{ with }}{{ end }}`, `{{ end }}`, `{{ else }}`, `{{ if 1 }}{{ break }}{{ end }}`, `{{ range 2 }}{{ if 1 }}{{ break }}{{ end }}{{ end }}ok`, `{{ range 2 }}{{ continue 1 }}{{ end }}`, `{{ range 1 }}{{ define "b" }}{{ break }}{{ end }}{{ end }}`, `{{ range 3 }}{{ range 2 }}{{ continue }}x{{ end }}{{ . }}{{ end }}`, `{{ range index "\x02" 0 }}{{ . }}{{ end }}`, `{{ range $i := index "\x02" 0 }}{{ $i }}{{ end }}`, `{{ range $i, $e := index "\x02" 0 }}x{{ end }}`, `{{ range $k, $v := slice .SecretsArray 0 2 }}{{ $k }}{{ $v.Alias }}{{ end }}`, `{{ range slice .SecretsArray 0 0 }}a{{ else }}{{ len .SecretsArray }}{{ end }}`, `{{ range 2 }}a{{ else }}b{{ end }}`, `{{ range index .SecretsArray 0 }}{{ end }}`, `{{ range index .SecretsMap "none" }}a{{ else }}b{{ end }}`, `{{ if index .SecretsArray 0 }}a{{ end }}`, `{{ if .SecretsMap }}a{{ end }}`, `{{ if .SecretsArray }}a{{ end }}`, `{{ if slice .SecretsArray 0 0 }}a{{ else }}b{{ end }}`, `{{ if index "\x00" 0 }}a{{ else }}b{{ end }}`, `{{ if index "a" 0 }}a{{ else }}b{{ end }}`, `{{ if index .SecretsMap "none" }}a{{ else }}b{{ end }}`, `{{ if . }}a{{ end }}`, `{{ if 0.0 }}a{{ else }}b{{ end }}`, `{{ if -1 }}a{{ end }}`, `{{ not .SecretsMap }}`, `{{ not (index "\x00" 0) }}`, `{{ not . }}`, `{{ not nil }}`, `{{ and 0.0 1 }}`, `{{ or (index .SecretsMap "none") "x" }}`, `{{ and nil 1 }}`,
	// Templates of templates.
	`{{ define "a" }}x{{ else }}{{ end }}`, `{{ define }}x{{ end }}`, `{{ define "a" 1 }}x{{ end }}`, `{{ define a }}x{{ end }}`, `{{ define "\q" }}{{ end }}`, "{{ define `r` }}x{{ end }}{{ template `r` }}", `{{ define "a" }}`, `{{ define "a" }}{{ define "b" }}{{ end }}{{ end }}`, `{{ if 1 }}{{ define "a" }}{{ end }}{{ end }}`, `{{ template }}`, `{{ template "a" 1 2 }}`, `{{ template "none" }}`, `{{ template 1 }}`, `{{ template "\q" }}`, `{{ block "a" }}x{{ end }}`, `{{ block "a" 1 }}{{ . }}{{ end }}`, `{{ block "a" . }}x{{ else }}y{{ end }}`, `{{ block a . }}x{{ end }}`, `{{ block "a" 1 }}{{ . }}{{ end }}{{ template "a" 2 }}`, `{{ define "a" }} {{ end }}[{{ template "a" }}]`, `{{ define "a" }}x{{ end }}{{ define "a" }}{{ end }}{{ template "a" }}`, `{{ define "a" }}{{ end }}{{ define "a" }}x{{ end }}{{ template "a" }}`, `{{ define "a" }}x{{ end }}{{ define "a" }}y{{ end }}`, `{{ define "a" }}x{{ end }}{{ define "a" }} {{/* c */}} {{ end }}{{ template "a" }}`, `{{ define "a" }}x{{ end }}{{ define "a" }}{{ 1 }}{{ end }}`, `{{ define "a" }}{{ $ }}{{ . }}{{ end }}{{ template "a" 7 }}`, `{{ template "a" 1 }}{{ define "a" }}{{ . }}{{ end }}`,
	// Comparing, indexing, slicing.
	`{{ eq (index "abc" 0) "a" }}`, `{{ eq $ 1 }}`, `{{ eq 1 $ }}`, `{{ eq (index .SecretsArray 0) 1 }}`, `{{ eq 1 (index .SecretsArray 0) }}`, `{{ eq (index .SecretsArray 0) (index .SecretsArray 1) }}`, `{{ eq (index .SecretsArray 0) (index .SecretsArray 0) }}`, `{{ eq (index .SecretsArray 0) $ }}`, `{{ eq $ (index .SecretsArray 0) }}`, `{{ eq .SecretsMap .SecretsMap }}`, `{{ eq (index .SecretsArray 0) .SecretsMap }}`, `{{ eq .SecretsMap (index .SecretsArray 0) }}`, `{{ eq .SecretsMap nil }}`, `{{ lt (index "ab" 0) (index "ab" 1) }}`, `{{ lt (index "ab" 0) 98 }}`, `{{ lt 1 1.5 }}`, `{{ lt 1.5 1 }}`, `{{ lt 1.5 2.5 }}`, `{{ lt "a" 1 }}`, `{{ lt 1 "a" }}`, `{{ lt true false }}`, `{{ lt nil nil }}`, `{{ slice "abc" 0 4 }}`, `{{ slice "abc" 3 }}`, `{{ slice "abc" 4 }}`, `{{ slice "abc" -1 }}`, `{{ slice .SecretsArray 1 3 2 }}`, `{{ slice .SecretsArray 2 1 3 }}`, `{{ len (slice .SecretsArray 0 1 9) }}`, `{{ slice .SecretsArray 0 1 99 }}`, `{{ slice "abc" (index "\x01" 0) }}`, `{{ slice (index .SecretsArray 0) 1 }}`, `{{ slice true 1 }}`, `{{ (index .SecretsArray (index "\x01" 0)).Alias }}`, `{{ index "abc" 3 }}`, `{{ index "abc" 2 }}`, `{{ index "abc" "a" }}`, `{{ index "abc" true }}`, `{{ index .SecretsMap "user" 0 }}`, `{{ index (index .SecretsArray 0) 0 }}`, `{{ index (index .SecretsMap "none") 0 }}`, `{{ index .SecretsMap (index "a" 0) }}`, `{{ index true 0 }}`, `{{ len true }}`, `{{ len (index "a" 0) }}`,
	// Escaping.
	`{{ html "a" 1 "<" }}`, `{{ html 1 }}`, `{{ html nil }}`, `{{ html }}`, `{{ html "<" ">" }}`, `{{ html "\x00a'" }}`, `{{ js 1 2 }}`, `{{ js "a'" "b" }}`, `{{ js "\"" }}`, `{{ js "'a\"b\\c<d>e&f=g" }}`, `{{ js "ab<" }}`, `{{ js "<ab" }}`, `{{ js "\u2028\u00e9\u0085" }}`, `{{ urlquery "a b" 1 }}`, `{{ urlquery "é~.-_" }}`, `{{ urlquery 1 }}`,
	// Formatting.
	`{{ printf "%[0]d" 1 }}`, `{{ printf "%[]d" 1 }}`, `{{ printf "%[1" 1 }}`, `{{ printf "%[1]" 1 }}`, `{{ printf "%[-1]d" 1 }}`, `{{ printf "%[2]d" 1 }}`, `{{ printf "%[1]d" 1 }}`, `{{ printf "%[1x]d" 1 }}`, `{{ printf "%[ 1]d" 1 }}`, `{{ printf "%[1]*[2]d|" 3 4 }}`, `{{ printf "%[3]*.[2]*[1]f|" 12.0 2 6 }}`, `{{ printf "%.[2]*[1]f|" 12.0 2 }}`, `{{ printf "%.*d|" -1 5 }}`, `{{ printf "%.*d|" 0 0 }}`, `{{ printf "%.*d|" 3 5 }}`, `{{ printf "%.*d|" "a" 5 }}`, `{{ printf "%*d|" 0 5 }}`, `{{ printf "%*d|" 1000001 5 }}`, `{{ printf "%*d|" -1000001 5 }}`, `{{ printf "%.*d|" 1000001 5 }}`, `{{ printf "%0*d|" 5 3 }}`, `{{ printf "%-0*d|" 5 3 }}`, `{{ printf "%5.0d|%.0d|%05.3d|%+.0d|" 0 0 7 0 }}`, `{{ printf "%+d|%+d|% d|%+05d|% 05d|%-+5d|" 0 -3 0 3 3 3 }}`, `{{ printf "%#o|%#o|%#b|%O|%#x|%#X" 0 8 5 8 255 255 }}`, `{{ printf "%5.1f|%-7.1f|%07.1f|% 7.1f|%+7.1f|%+07.1f|%-07.1f|" -1.25 -1.25 -1.25 1.25 1.25 1.25 1.25 }}`, `{{ printf "%E|%G|%F" 1e-7 1e-7 1.5 }}`, `{{ printf "%08v|%8v|%-8v|" 1.5 1.5 1.5 }}`, `{{ printf "%6.3v|%t|%t" 3.14159 true 1 }}`, `{{ printf "%s|%d" 1.5 1.5 }}`, `{{ printf "%#v|%#v|%#v" "a" 1 true }}`, `{{ printf "%s" (index "a" 0) }}`, `{{ printf "%c|%d|%x|%v|%T" (index "a" 0) (index "a" 0) (index "a" 0) (index "a" 0) (index "a" 0) }}`, `{{ printf "%d" nil }}`, `{{ printf "%s" .SecretsMap.none }}`, `{{ printf "%v|%T" (index .SecretsMap "none") 1 }}`, `{{ printf "%06s|%-6s|%06q|" "é" "é" "é" }}`, `{{ printf "%.2s|%.0s|%.9s|" "日本語" "日本語" "日本語" }}`, `{{ printf "%.1x|%.0x|% x|% #X|%#x|%8x|" "ab" "ab" "ab" "ab" "ab" "ab" }}`, `{{ printf "%5%|%-5%|%.3%" }}`, `{{ printf "%!|%" 1 }}`, `{{ printf "a%" }}`, `{{ printf "" 1 }}`, `{{ print 1.0 2.50 1e21 1e-7 }}`, `{{ println 1.5 "a" nil }}`,
}

var written = []string{
	// Text, actions, trimming, comments.
	"", "plain", "no }} action", "{", "{ {", "}}", "{{ \"{{\" }}", "a{{ 1 }}b", "a {{- 1 }} b", "a {{ 1 -}} b", "a \n\t{{- 1 -}} \r\n b",
	"a {{-1}} b", "a {{- -1 -}} b", "{{-  \n 1 }}", "{{/* comment */}}x", "x {{- /* c */ -}} y", "x {{/* c */ -}} y", "x {{- /* c */}} y", "{{ /* c */ }}", "{{/* open", "{{/* c */ x}}", "{{/* a\nb */}}{{ .Nope }}",
	"{{", "{{ ", "{{}}", "{{ }}", "{{ 1", "a {{ 1 }", "{{ 1 }}}", "{{{ 1 }}}", "x{{\n1\n}}y", "{{ 1 }}\n{{ 2 }}\n",
	// Literals.
	`{{ "str" }}`, "{{ `raw \\n str` }}", "{{ `raw\r\nline` }}", `{{ "esc \a\b\f\n\r\t\v\\\"\x41\u00e9\U0001F600\101\377" }}`, `{{ "bad \' " }}`, `{{ "bad \q" }}`, `{{ "open }}`, "{{ \"line\nbreak\" }}", "{{ `open }}", `{{ "\xff\xfe" | printf "%x" }}`, `{{ "\400" }}`, `{{ "\ud800" }}`, `{{ "日本" }}`,
	"{{ 'a' }}", "{{ '\\n' }}", "{{ '\\x41' }}", "{{ '\\xff' }}", "{{ '\\377' }}", "{{ '日' }}", "{{ '\\'' }}", "{{ '\"' }}", "{{ '' }}", "{{ 'ab' }}", "{{ 'a }}", "{{ '\\\"' }}",
	"{{ 0 }}", "{{ -0 }}", "{{ +5 }}", "{{ 1_000 }}", "{{ 1__0 }}", "{{ _1 }}", "{{ 0x1F }}", "{{ 0X1f }}", "{{ 0b101 }}", "{{ 0o17 }}", "{{ 017 }}", "{{ 08 }}", "{{ 0x }}", "{{ 1.5 }}", "{{ .5 }}", "{{ 1. }}", "{{ 1e3 }}", "{{ 1E-3 }}", "{{ 1e }}", "{{ 0x1p4 }}", "{{ 0x1.8p1 }}", "{{ 1.2.3 }}", "{{ 1+2 }}", "{{ 1x }}", "{{ 1_0.5 }}", "{{ 9223372036854775807 }}", "{{ -9223372036854775808 }}", "{{ 99999999999999999999 }}", "{{ 1e400 }}", "{{ 1e20 }}", "{{ 1e21 }}", "{{ 100000.0 }}", "{{ 1e5 }}", "{{ 0x1e+2 }}", "{{ 1e+2 }}",
	"{{ true }}", "{{ false }}", "{{ nil }}", "{{ nil | print }}", "{{ true.X }}", "{{ 1.X }}", "{{ nil.X }}", "{{ \"a\".X }}", "{{ (nil).X }}", "{{ .. }}",
	// Secrets.
	`{{ secret "user" }}`, `{{ secret "none" }}`, `{{ secret }}`, `{{ secret "user" "password" }}`, `{{ secret 1 }}`, `{{ secret nil }}`, `{{ secret true }}`, `{{ secret .SecretsMap }}`, `{{ "user" | secret }}`, `{{ "user" | secret | b64enc | b64dec }}`, `{{ b64dec "not base64!" }}`, `{{ b64dec "YQ" }}`, `{{ b64dec "YQ==\n" }}`, `{{ b64dec "YR==" }}`, `{{ secret "user" | printf "%s-%s" "x" }}`, `{{ secret (print "us" "er") }}`, `{{ secret "path/to.it" }}`, `{{ (secret "user") }}`, `{{ secret "user" | nothing }}`,
	`{{ secret
"none" }}`, "line\n  {{ secret \"none\" }}", "é {{ secret \"none\" }}", "{{ .SecretsMap.user.Value }}", "{{ .SecretsMap.user.Nope }}", "{{ .SecretsMap.none }}", "{{ .SecretsMap.none.Value }}", "{{ .SecretsMap.user.Value.Deep }}", "{{ $.SecretsMap.user.Value }}", "{{ (index .SecretsMap \"path/to.it\").Value }}", "{{ (index .SecretsMap \"none\").Value }}", "{{ index .SecretsMap \"none\" }}", "{{ index .SecretsMap 1 }}", "{{ index .SecretsMap nil }}", "{{ (index .SecretsArray 0).Alias }}", "{{ index .SecretsArray 99 }}", "{{ index .SecretsArray -1 }}", "{{ index .SecretsArray \"a\" }}", "{{ index .SecretsArray 9 }}", "{{ index .SecretsArray nil }}", "{{ index nil 1 }}", "{{ index 1 1 }}", "{{ index }}", "{{ .SecretsMap.user }}", "{{ index .SecretsArray 0 }}", "{{ (index .SecretsArray 0).Value | printf \"%q\" }}", "{{ .SecretsMap.user.Value \"x\" }}", "{{ .SecretsMap.user \"x\" }}", "{{ \"x\" | .SecretsMap.user }}", "{{ .Nope }}", "{{ .SecretsArray.Nope }}", "{{ .secretsArray }}",
	"{{ len .SecretsArray }}", "{{ len .SecretsMap }}", "{{ len 3 }}", "{{ len nil }}", "{{ len }}", "{{ len .SecretsMap.user }}", "{{ len (index .SecretsMap \"none\") }}", "{{ index (secret \"user\") 0 }}", "{{ index (secret \"user\") 3 }}", "{{ index (secret \"user\") 4 }}", "{{ index (index .SecretsArray 0).Value 1 | printf \"%c\" }}", "{{ index .SecretsMap \"user\" \"Value\" }}",
	"{{ slice \"abcdef\" 1 3 }}", "{{ slice \"abcdef\" 2 }}", "{{ slice \"abcdef\" }}", "{{ slice \"abcdef\" 3 1 }}", "{{ slice \"abcdef\" 0 9 }}", "{{ slice \"abc\" 0 1 2 }}", "{{ slice \"é\" 0 1 | printf \"%x\" }}", "{{ len (slice .SecretsArray 1 3) }}", "{{ range slice .SecretsArray 1 3 }}{{ .Alias }},{{ end }}", "{{ len (slice .SecretsArray 1 2 3) }}", "{{ slice .SecretsArray 1 2 3 4 }}", "{{ slice 1 2 }}", "{{ slice nil }}", "{{ slice .SecretsMap 1 }}", "{{ slice }}", "{{ slice \"abc\" \"a\" }}", "{{ slice \"abc\" nil }}",
	// Pipelines, parentheses.
	`{{ "a" | print "b" }}`, `{{ 1 | print 2 }}`, `{{ 1 | print 2 | print 3 }}`, `{{ print 1 2 }}`, `{{ print "a" 1 2 "b" "c" 3.5 true }}`, `{{ println "a" 1 }}`, `{{ print }}`, `{{ println }}`, `{{ print (print 1) (print 2) }}`, `{{ print (1 | print 2) }}`, `{{ (print 1).X }}`, `{{ ((1)) }}`, `{{ (1 }}`, `{{ 1) }}`, `{{ () }}`, `{{ print () }}`, `{{ | }}`, `{{ 1 | }}`, `{{ print | }}`, `{{ 1 | 2 }}`, `{{ 1 | "a" }}`, `{{ 1 | . }}`, `{{ 1 | true }}`, `{{ 1 2 }}`, `{{ "a" "b" }}`, `{{ . 1 }}`, `{{ (1) 2 }}`, `{{ 1 | (2) }}`, `{{ $ 1 }}`, `{{ print 1,2 }}`, `{{ print(1) }}`, `{{print 1}}`, `{{ print 1|print }}`, `{{ "a"|print"b" }}`, `{{ print "a""b" }}`, `{{ print .SecretsMap.user.Value.X }}`, `{{ print ! }}`, `{{ 1 ; }}`, `{{ é }}`, `{{ print é }}`, "{{ \x01 }}", `{{ print $x }}`, `{{ print.X }}`, `{{ (index .SecretsMap "user").Value.X }}`, `{{ (.SecretsMap).user.Value }}`, `{{ .SecretsMap.user.Value|len }}`, `{{ print nil }}`, `{{ print .SecretsMap.none }}`, `{{ "%s" | printf }}`, `{{ printf }}`, `{{ printf 1 }}`, `{{ printf nil }}`, `{{ printf "%d %s" 1 "a" }}`, `{{ call nil }}`, `{{ call "x" }}`, `{{ call .SecretsMap 1 }}`, `{{ call }}`, `{{ call secret "user" }}`,
	// printf in detail.
	`{{ printf "%" }}`, `{{ printf "100%%" }}`, `{{ printf "%z" 1 }}`, `{{ printf "%!" 1 }}`, `{{ printf "%d" }}`, `{{ printf "%d" 1 2 }}`, `{{ printf "no" 1 "a" }}`, `{{ printf "%d" "a" }}`, `{{ printf "%s" nil }}`, `{{ printf "%v" nil }}`, `{{ printf "%T" nil }}`, `{{ printf "%5v|" nil }}`, `{{ printf "%[2]s %[1]s" "a" "b" }}`, `{{ printf "%[3]s" "a" }}`, `{{ printf "%[1]s %s %s" "a" "b" }}`, `{{ printf "%[x]s" "a" }}`, `{{ printf "%[1s" "a" }}`, `{{ printf "%*d|" 5 42 }}`, `{{ printf "%-*d|" 5 42 }}`, `{{ printf "%*d|" -5 42 }}`, `{{ printf "%*d" "a" 42 }}`, `{{ printf "%.*f" 2 3.14159 }}`, `{{ printf "%.*s" 2 "abcdef" }}`, `{{ printf "%[2]*[1]d|" 42 5 }}`, `{{ printf "%.f" 1.5 }}`, `{{ printf "%t" true }}`, `{{ printf "%v" false }}`, `{{ printf "%5t|" true }}`, `{{ printf "%d" true }}`, `{{ printf "%s" true }}`, `{{ printf "%é" 1 }}`, `{{ printf "é%d" 1 }}`, `{{ printf "%s %s" (secret "user") (secret "number") }}`, `{{ printf "%v" (index .SecretsArray 0) }}`, `{{ printf "%+v" (index .SecretsArray 0) }}`, `{{ printf "%s" (index .SecretsArray 0) }}`, `{{ printf "%q" (index .SecretsArray 0) }}`, `{{ printf "%x" (index .SecretsArray 0) }}`, `{{ printf "%c%c" 'a' 0x1F600 }}`, `{{ printf "%c" -1 }}`, `{{ printf "%q" 0x110000 }}`, `{{ printf "%U" -1 }}`, `{{ printf "%#q" "a` + "`" + `b" }}`, `{{ printf "%+.3e" 12345.678 }}`, `{{ printf "%6.2f|%-8s|%03d" 3.14159 "ab" 7 }}`, `{{ printf "%v %v" 1 2.0 }}`, `{{ printf "%-05d|" 3 }}`, `{{ printf "%+s|%+d" "a" 1 }}`, `{{ printf "%x" -255 }}`, `{{ printf "%08x" -255 }}`, `{{ printf "%+x" 255 }}`, `{{ printf "% d|% d" 5 -5 }}`, `{{ printf "%2147483648d" 1 }}`, `{{ printf "%.3q" "日本語文" }}`, `{{ printf "%5q|" 'x' }}`, `{{ printf "%s" 'x' }}`, `{{ printf "%!d(x" 1 }}`, `{{ printf "%+v|% v|%5v|" 5 5 5 }}`, `{{ printf "%+v|% v|%8v|" 2.5 2.5 2.5 }}`, `{{ printf "%6.2f" "abc" }}`, `{{ printf "%-6t|%06z|" "é" true }}`,
	// Variables.
	`{{ $x := 1 }}{{ $x }}`, `{{ $x := "a" }}{{ $x = "b" }}{{ $x }}`, `{{ $x = 1 }}`, `{{ if false }}{{ $x = 1 }}{{ end }}ok`, `{{ $x }}`, `{{ $x := $x }}`, `{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}`, `{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}`, `{{ if true }}{{ $y := 2 }}{{ end }}{{ $y }}`, `{{ $x := 1 | print 2 }}{{ $x }}`, `{{ $x, $y := 1 }}`, `{{ $x := }}`, `{{ $x : = 1 }}`, `{{ $x:=1 }}{{$x}}`, `{{ $ := 1 }}{{ $ }}`, `{{ $x := .SecretsMap }}{{ $x.user.Value }}`, `{{ $x := .SecretsMap.user }}{{ $x.Value }}`, `{{ $x := nil }}`, `{{ with $x := "v" }}{{ $x }}{{ . }}{{ end }}`, `{{ if $x := "v" }}{{ $x }}{{ end }}`, `{{ if $x := "" }}{{ else }}[{{ $x }}]{{ end }}`, `{{ with $x := 1 }}{{ end }}{{ $x }}`, `{{ $é := 1 }}{{ $é }}`, `{{ $1 := 2 }}{{ $1 }}`, `{{ $x := 1 }}{{ $x.Field }}`, `{{ $x+2 }}`, `{{ $x := 1 }}{{ $x+2 }}`, `{{ .A+B }}`, `{{ print (($x := 3)) $x }}`, `{{ $x := 5 }}{{ range 2 }}{{ $x = . }}{{ end }}{{ $x }}`, `{{ print ($y := 2) }}{{ $y }}`,
	// if, with.
	`{{ if true }}yes{{ end }}`, `{{ if false }}yes{{ else }}no{{ end }}`, `{{ if 0 }}a{{ else if 1 }}b{{ else }}c{{ end }}`, `{{ if "" }}a{{ else if 0.0 }}b{{ else if nil }}c{{ else }}d{{ end }}`, `{{ if .SecretsMap.none }}a{{ else }}b{{ end }}`, `{{ if .SecretsArray }}a{{ end }}`, `{{ if .SecretsMap }}a{{ end }}`, `{{ if . }}a{{ end }}`, `{{ if secret "empty" }}a{{ else }}b{{ end }}`, `{{ if (index .SecretsMap "none") }}a{{ else }}b{{ end }}`, `{{ if not true }}a{{ else }}b{{ end }}`, `{{ if }}a{{ end }}`, `{{ if true }}`, `{{ if true }}{{ else }}`, `{{ if true }}{{ else }}{{ else }}{{ end }}`, `{{ end }}`, `{{ else }}`, `{{ if true }}a{{ end }}{{ end }}`, `{{ if true }}a{{ end x }}`, `{{ if true }}a{{ else x }}b{{ end }}`, `{{ else if true }}`, `{{ if and true 1 "x" }}a{{ end }}`, `{{ if or false 0 "" }}a{{ else }}b{{ end }}`, `{{ with secret "user" }}{{ . }}{{ end }}`, `{{ with secret "empty" }}{{ . }}{{ else }}none{{ end }}`, `{{ with .SecretsMap.user }}{{ .Alias }}={{ .Value }}{{ $.SecretsMap.number.Value }}{{ end }}`, `{{ with "" }}a{{ else with "b" }}{{ . }}{{ else }}c{{ end }}`, `{{ with "" }}a{{ else with "" }}b{{ else }}c{{ end }}`, `{{ with "" }}a{{ else if true }}b{{ end }}`, `{{ if false }}a{{ else with "b" }}{{ . }}{{ end }}`, `{{ with .SecretsMap }}{{ .user.Value }}{{ end }}`, `{{ if true }}a{{ else if }}b{{ end }}`, `{{- if true -}} a {{- else -}} b {{- end -}} c`, `{{ if 'a' }}x{{ end }}`, `{{ if true }}{{ if false }}a{{ else }}b{{ end }}{{ end }}`,
	// and, or, not.
	`{{ and 1 2 }}`, `{{ and 0 2 }}`, `{{ or 1 2 }}`, `{{ or 0 "" "x" }}`, `{{ or 0 "" }}`, `{{ and }}`, `{{ or }}`, `{{ not }}`, `{{ not 1 2 }}`, `{{ 1 | and 2 }}`, `{{ 0 | or }}`, `{{ and false (secret "none") }}`, `{{ or true (secret "none") }}`, `{{ and true (secret "none") }}`, `{{ and nil 1 }}`, `{{ or nil 1 }}`, `{{ and 1 nil }}`, `{{ and true .SecretsMap.user.Value }}`, `{{ not nil }}`, `{{ or .SecretsMap.none "d" }}`, `{{ and (1) | print }}`,
	// eq with several.
	`{{ eq 1 2 3 1 }}`, `{{ eq "a" "b" "a" }}`, `{{ eq 1 2 3 }}`, `{{ eq 1 }}`, `{{ 1 | eq 1 }}`, `{{ eq 1 1 "a" }}`, `{{ eq 1 "a" 1 }}`, `{{ ne 1 2 3 }}`, `{{ lt 1 2 3 }}`, `{{ eq (secret "user") "web" }}`, `{{ if eq (secret "number") "42" }}y{{ end }}`, `{{ lt "" "a" }}`, `{{ lt true false }}`, `{{ lt nil nil }}`, `{{ lt . . }}`, `{{ eq .SecretsMap.user .SecretsMap.user }}`, `{{ eq .SecretsMap.user .SecretsMap.number }}`,
	// range.
	`{{ range .SecretsArray }}{{ .Alias }};{{ end }}`, `{{ range $i, $e := .SecretsArray }}{{ $i }}:{{ $e.Alias }} {{ end }}`, `{{ range $e := .SecretsArray }}{{ $e.Alias }} {{ end }}`, `{{ range $k, $v := .SecretsMap }}{{ $k }}={{ $v.Alias }} {{ end }}`, `{{ range .SecretsMap }}{{ .Alias }},{{ end }}`, `{{ range $i, $e := .SecretsArray }}{{ if $i }},{{ end }}{{ printf "%q" $e.Value }}{{ end }}`, `{{ range 3 }}{{ . }}{{ end }}`, `{{ range $i := 3 }}{{ $i }}{{ end }}`, `{{ range $i, $e := 3 }}x{{ end }}`, `{{ range 0 }}a{{ else }}b{{ end }}`, `{{ range -1 }}a{{ else }}b{{ end }}`, `{{ range nil }}a{{ end }}`, `{{ range "abc" }}a{{ end }}`, `{{ range 1.5 }}a{{ end }}`, `{{ range true }}a{{ end }}`, `{{ range .SecretsMap.none }}a{{ else }}b{{ end }}`, `{{ range . }}a{{ end }}`, `{{ range .SecretsMap.user }}a{{ end }}`, `{{ range 'c' }}.{{ end }}`, `{{ range (index "abc" 0) }}.{{ end }}`, `{{ range 5 }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}`, `{{ range 5 }}{{ if eq . 3 }}{{ continue }}{{ end }}{{ . }}{{ end }}`, `{{ break }}`, `{{ continue }}`, `{{ range 2 }}{{ end }}{{ break }}`, `{{ range 2 }}{{ break x }}{{ end }}`, `{{ range 3 }}{{ range 3 }}{{ if eq . 1 }}{{ break }}{{ end }}{{ . }}{{ end }}-{{ . }};{{ end }}`, `{{ range $i := 2 }}{{ range $j := 2 }}{{ $i }}{{ $j }} {{ end }}{{ end }}`, `{{ range 2 }}{{ $.SecretsMap.user.Value }}{{ end }}`, `{{ range 0 }}{{ else }}{{ break }}{{ end }}`, `{{ range 2 }}{{ range 0 }}{{ else }}{{ break }}{{ end }}x{{ end }}`, `{{ $x := 0 }}{{ range $x = 3 }}{{ end }}{{ $x }}`, `{{ $i := 0 }}{{ $e := "" }}{{ range $i, $e = .SecretsArray }}{{ end }}{{ $i }}{{ $e.Alias }}`, `{{ range $i, $e, $f := .SecretsArray }}{{ end }}`, `{{ range $i, := .SecretsArray }}{{ end }}`, `{{ range $i, 1 := .SecretsArray }}{{ end }}`, `{{ range $i, $e .SecretsArray }}{{ end }}`, `{{ range }}{{ end }}`, `{{ range .SecretsArray }}`, `{{ range .SecretsArray }}{{ else }}{{ else }}{{ end }}`, `{{ range 1 }}{{ else if true }}{{ end }}`, `{{ range $i, $e := .SecretsArray }}{{ end }}{{ $i }}`, `{{ range $x := .SecretsArray }}{{ $x = 1 }}{{ end }}ok`, `{{ range 2 }}{{ $y := . }}{{ end }}{{ range 2 }}{{ $y := . }}{{ $y }}{{ end }}`, `{{ range 2 }}{{ with "x" }}{{ continue }}{{ end }}y{{ end }}`, "{{ range .SecretsArray -}}\n{{ .Alias }}\n{{- end }}",
	// define, template, block.
	`{{ define "T" }}[{{ . }}]{{ end }}{{ template "T" "x" }}`, `{{ template "T" "x" }}{{ define "T" }}[{{ . }}]{{ end }}`, `{{ define "T" }}[{{ . }}]{{ end }}{{ template "T" }}`, `{{ define "T" }}{{ $ }}{{ end }}{{ template "T" 1 }}`, `{{ $x := 1 }}{{ define "T" }}{{ $x }}{{ end }}`, `{{ template "none" }}`, `{{ template }}`, `{{ template 1 }}`, `{{ template "T" . extra }}`, `{{ define "T" }}`, `{{ define T }}{{ end }}`, `{{ define "T" }}a{{ end }}{{ define "T" }}b{{ end }}{{ template "T" }}`, `{{ define "T" }} {{ end }}{{ define "T" }}b{{ end }}{{ template "T" }}`, `{{ define "T" }}b{{ end }}{{ define "T" }} {{ end }}{{ template "T" }}`, `{{ if true }}{{ define "T" }}x{{ end }}{{ end }}`, `{{ block "B" "v" }}<{{ . }}>{{ end }}`, `{{ block "B" . }}{{ .SecretsMap.user.Value }}{{ end }}{{ template "B" . }}`, `{{ block "B" }}x{{ end }}`, `{{ block 1 . }}x{{ end }}`, `{{ block "B" . }}x{{ else }}y{{ end }}`, `{{ block "B" . }}`, `{{ define "R" }}{{ if . }}{{ slice . 0 1 }}{{ template "R" (slice . 1) }}{{ end }}{{ end }}{{ template "R" "abc" }}`, `{{ range 2 }}{{ template "T" . }}{{ end }}{{ define "T" }}({{ . }}){{ end }}`, `{{ range 2 }}{{ block "T" . }}{{ break }}{{ end }}{{ end }}`, `{{ define "T" }}{{ secret "user" }}{{ end }}{{ template "T" }}`, `{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}!{{ . }}{{ end }}{{ template "a" "x" }}`, "{{ define `raw` }}r{{ end }}{{ template \"raw\" }}", `{{ define "T" }}{{ else }}{{ end }}`, `{{ template "T" 1 | print }}{{ define "T" }}{{ . }}{{ end }}`, `{{ define "T" }}{{ define "U" }}{{ end }}{{ end }}`,
	// What people write.
	"db:\n  user: {{ secret \"user\" }}\n  password: {{ printf \"%q\" (secret \"password\") }}\n",
	"{\n{{- range $i, $s := .SecretsArray }}\n{{- if $i }},{{ end }}\n  {{ printf \"%q\" $s.Alias }}: {{ printf \"%q\" $s.Value }}\n{{- end }}\n}\n",
	"{{ range .SecretsArray }}export {{ .Alias }}={{ printf \"%q\" .Value }}\n{{ end }}",
	"<value>{{ secret \"password\" | html }}</value>", "postgres://{{ secret \"user\" | urlquery }}:{{ secret \"password\" | urlquery }}@db/x",
	"{{ with index .SecretsMap \"user\" }}{{ .Value }}{{ else }}nobody{{ end }}",
	"{{- $user := secret \"user\" -}}\nuser={{ $user }}\nkey={{ b64enc (printf \"%s:%s\" $user (secret \"number\")) }}\n",
	"{{ if eq (secret \"user\") \"web\" \"app\" }}known{{ else }}unknown{{ end }}",
	"{{ range $k, $v := .SecretsMap }}{{ $k }}: {{ len $v.Value }}\n{{ end }}",
}
