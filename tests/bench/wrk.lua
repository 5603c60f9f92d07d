-- SPDX-License-Identifier: Apache-2.0
-- For wrk: wrk [options] -s wrk.lua URL BODY keep|new - POSTs the file BODY, and ends with one line of JSON.

function init(args)
	local file = assert(io.open(args[1], "rb"))
	wrk.method, wrk.body = "POST", file:read("*a")
	file:close()
	wrk.headers["Content-Type"] = "application/json"
	if args[2] == "new" then
		wrk.headers["Connection"] = "close"
	end
end

function done(summary, latency)
	local e = summary.errors
	print(string.format('{"requests":%d,"seconds":%.3f,"p50":%.3f,"p99":%.3f,"bad":%d}', summary.requests,
		summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
		e.connect + e.read + e.write + e.status + e.timeout))
end
