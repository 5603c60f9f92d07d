# SPDX-License-Identifier: Apache-2.0
#
# Makes the C rows of the catalogue from catalogue.tsv, which says how its lines are made. A line
# that is not made so ends the run with file:line: message and status 1. POSIX awk; a number sign or
# an x goes in front of ids that are compared, since awk takes a field such as 1e78 for a number.

function fail(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text | "cat 1>&2"
	failed = 1
	exit 1
}

function is_hex4(text)
{
	return length(text) == 4 && text ~ /^[0-9a-f]+$/
}

function check_id(id)
{
	if (length(id) != 9 || substr(id, 5, 1) != ":" || !is_hex4(substr(id, 1, 4)) ||
	    !is_hex4(substr(id, 6)))
		fail("id '" id "' is not four hex digits, a colon and four hex digits, in lower case")
}

# Returns the texts of a comma separated list of source codes as one text.
function resolve(codes,    list, n, i, text)
{
	n = split(codes, list, ",")
	if (n == 0)
		fail("an @ without a source code")
	for (i = 1; i <= n; i++) {
		if (!(list[i] in source))
			fail("source '" list[i] "' is not among the source lines")
		used[list[i]] = 1
		text = text (text == "" ? "" : "; ") source[list[i]]
	}
	return text
}

function is_pow2(n)
{
	while (n > 1 && n % 2 == 0)
		n /= 2
	return n == 1
}

function size_macro(text,    unit, number)
{
	unit = substr(text, length(text))
	number = substr(text, 1, length(text) - 1)
	if (!(unit in units) || number !~ /^[0-9]+$/ || !is_pow2(number))
		fail("BAR size '" text "' is not a power of two with K, M or G")
	if (unit == "G" || (unit == "M" && number + 0 > 256))
		large_bar = 1
	return number " * " units[unit]
}

# Returns the initialiser of one BAR; adds what says so to bar_texts.
function one_bar(text,    at, index_, size, origin, codes, said)
{
	at = index(text, "=")
	index_ = substr(text, 1, at - 1)
	if (at == 0 || index_ !~ /^[0-5]$/)
		fail("BAR '" text "' is not index=size/origin with an index from 0 to 5")
	if (index_ in seen_bar)
		fail("BAR " index_ " is there twice")
	seen_bar[index_] = 1
	size = substr(text, at + 1)
	if (size == "?") {
		unknown_bar = 1
		return "{ " index_ ", 0, NP_SIZE_SOURCE_NONE }"
	}
	at = index(size, "/")
	origin = at ? substr(size, at + 1) : ""
	size = at ? substr(size, 1, at - 1) : size
	at = index(origin, "@")
	codes = at ? substr(origin, at + 1) : ""
	origin = at ? substr(origin, 1, at - 1) : origin
	if (!(origin in figure))
		fail("origin '" origin "' of a BAR is none of published, observed, derived, assumed")
	if ((origin == "assumed") != (at == 0))
		fail("a BAR names its sources unless it is assumed: '" text "'")
	if (at) {
		said = resolve(codes)
		if (index("; " bar_texts "; ", "; " said "; ") == 0)
			bar_texts = bar_texts (bar_texts == "" ? "" : "; ") said
	}
	return "{ " index_ ", " size_macro(size) ", " figure[origin] " }"
}

# Returns the initialiser of the BARs; sets n_bars, unknown_bar, large_bar and bar_texts.
function bars_of(text,    list, i, out)
{
	bar_texts = ""
	n_bars = unknown_bar = large_bar = 0
	split("", seen_bar)
	if (text == "none" || text == "?")
		return "{ { 0 } }"
	n_bars = split(text, list, " ")
	if (n_bars > 6)
		fail("more than six BARs")
	for (i = 1; i <= n_bars; i++)
		out = out (i > 1 ? ", " : "") one_bar(list[i])
	return "{ " out " }"
}

function plain(text)
{
	return text == "-" ? "" : text
}

function check_model(model, memory,    n, parts, last)
{
	n = split(model, parts, "-")
	last = parts[n]
	if (last ~ /^[0-9]+GB$/ && last != memory "GB")
		fail("model '" model "' does not end in the card's memory, " memory " GB")
}

# Sorted by id, of one id the larger memory first, else in the order of the file.
function insert(key, memory, row,    i)
{
	for (i = n_rows; i > 0 && (keys[i] > key || (keys[i] == key && memories[i] < memory)); i--) {
		keys[i + 1] = keys[i]
		memories[i + 1] = memories[i]
		rows[i + 1] = rows[i]
	}
	keys[i + 1] = key
	memories[i + 1] = memory
	rows[i + 1] = row
	n_rows++
}

function check_unique(id, subsystem)
{
	if (id in with_subsystem && (subsystem == "" || !with_subsystem[id]))
		fail("id '" id "' is there twice, and not with a subsystem each time")
	if ((id "/" subsystem) in whole)
		fail("id '" id "/" subsystem "' is there twice")
	with_subsystem[id] = subsystem != ""
	whole[id "/" subsystem] = 1
}

function one_card(    at, id, subsystem, memory, bars, mmio, mmio_text, has_figure)
{
	id = $2
	subsystem = ""
	if ((at = index(id, "/")) > 0) {
		subsystem = substr(id, at + 1)
		id = substr(id, 1, at - 1)
		check_id(subsystem)
	}
	check_id(id)
	check_unique(id, subsystem)
	if ($5 != "?" && $5 !~ /^[1-9][0-9]*$/)
		fail("memory '" $5 "' is no number of GB and no ?")
	memory = $5 == "?" ? 0 : $5 + 0
	check_model($3, $5)
	bars = bars_of($6)
	mmio = 0
	mmio_text = ""
	if ($7 != "-") {
		at = index($7, "@")
		mmio = at ? substr($7, 1, at - 1) : $7
		if (at == 0 || mmio !~ /^[0-9]+$/ || !is_pow2(mmio))
			fail("published figure '" $7 "' is not a power of two with @source")
		mmio_text = resolve(substr($7, at + 1))
	}
	if ($8 != "-" && $8 !~ /^(grid|nvidia)_[a-z0-9_-]+[?]?(,(grid|nvidia)_[a-z0-9_-]+[?]?)*$/)
		fail("vGPU board codes '" $8 "' do not start with grid_ or nvidia_")
	gsub(/,/, " ", $8)
	# Small BARs beside an unknown one do not size a card; a large one does (docs/contract.md, "The window").
	has_figure = $6 != "none" &&
		(memory > 0 || mmio > 0 || large_bar || (n_bars > 0 && !unknown_bar))
	insert("x" id, memory, sprintf("\t{ \"%s\", \"%s\", 0x%s, 0x%s, { 0x%s, 0x%s }, %d, %d,\n\t  %s,\n\t  %d, %s, %s, \"%s\", \"%s\",\n\t  \"%s\",\n\t  \"%s\",\n\t  \"%s\" },",
		$3, $4, substr(id, 1, 4), substr(id, 6), subsystem == "" ? "0" : substr(subsystem, 1, 4),
		subsystem == "" ? "0" : substr(subsystem, 6), memory, n_bars, bars, mmio,
		has_figure ? "true" : "false", $6 == "none" ? "true" : "false", plain($8), plain($9), bar_texts, mmio_text, plain($10)))
}

# Sorted by id, for a binary search.
function one_function(    i)
{
	check_id($2)
	if (substr($4, 1, 1) != "@")
		fail("a function names its source with @")
	resolve(substr($4, 2))
	if (("x" $2) in function_line)
		fail("function '" $2 "' is there twice")
	function_line["x" $2] = FNR
	for (i = ++n_functions; i > 1 && function_keys[i - 1] > "x" $2; i--) {
		function_keys[i] = function_keys[i - 1]
		functions[i] = functions[i - 1]
	}
	function_keys[i] = "x" $2
	functions[i] = "\t{ 0x" substr($2, 1, 4) ", 0x" substr($2, 6) " }, /* " $3 " */"
}

# In the order of the file, which is by id.
function one_vendor()
{
	if (!is_hex4($2))
		fail("vendor '" $2 "' is not four hex digits in lower case")
	if (n_vendors > 0 && vendor_keys[n_vendors] >= "x" $2)
		fail("vendor '" $2 "' does not follow the one before it")
	if (substr($5, 1, 1) != "@")
		fail("a vendor names its source with @")
	resolve(substr($5, 2))
	vendor_keys[++n_vendors] = "x" $2
	vendors[n_vendors] = "\t0x" $2 ", /* " $3 ": " $4 " */"
}

BEGIN {
	FS = "\t+"
	columns["source"] = 3
	columns["card"] = 10
	columns["function"] = 4
	columns["vendor"] = 5
	units["K"] = "NP_KIB"
	units["M"] = "NP_MIB"
	units["G"] = "NP_GIB"
	figure["published"] = "NP_SIZE_SOURCE_PUBLISHED"
	figure["observed"] = "NP_SIZE_SOURCE_OBSERVED"
	figure["derived"] = "NP_SIZE_SOURCE_DERIVED"
	figure["assumed"] = "NP_SIZE_SOURCE_ASSUMED"
}

/^#/ || /^$/ {
	next
}

/["\\]/ || /\*\// {
	fail("quotation marks, backslashes and ends of comments cannot be carried over")
}

!($1 in columns) {
	fail("'" $1 "' is none of source, card, function, vendor")
}

NF != columns[$1] {
	fail($1 " line has " NF " columns, not " columns[$1])
}

$1 == "source" {
	if ($2 !~ /^[A-Z][A-Z0-9]*$/)
		fail("source code '" $2 "' is not made of capitals and digits")
	if ($2 in source)
		fail("source '" $2 "' is there twice")
	source[$2] = $3
	source_line[$2] = FNR
}

$1 == "card" {
	one_card()
}

$1 == "function" {
	one_function()
}

$1 == "vendor" {
	one_vendor()
}

END {
	if (failed)
		exit 1
	for (code in source)
		if (!(code in used)) {
			FNR = source_line[code]
			fail("source '" code "' is used by no line")
		}
	for (i = 1; i <= n_rows; i++)
		if (keys[i] in function_line)
			fail("id '" substr(keys[i], 2) "' is a card and a function")
	for (i = 1; i <= n_rows; i++)
		for (at = 1; at <= n_vendors; at++)
			if (substr(keys[i], 1, 5) == vendor_keys[at])
				fail("vendor '" substr(vendor_keys[at], 2) "' has a card")
	if (n_rows == 0 || n_functions == 0 || n_vendors == 0)
		fail("no card, no function, or no vendor")
	print "/* Made from pkg/gpu/catalogue.tsv by catalogue.awk. */"
	print "static const struct np_gpu gpu_rows[] = {"
	for (i = 1; i <= n_rows; i++)
		print rows[i]
	print "};\n\nstatic const struct np_pci_id gpu_functions[] = {"
	for (i = 1; i <= n_functions; i++)
		print functions[i]
	print "};\n\nstatic const uint16_t gpu_other_vendors[] = {"
	for (i = 1; i <= n_vendors; i++)
		print vendors[i]
	print "};"
}
