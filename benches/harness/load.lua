-- Arguments: the method and the body of every request, where it is not a plain GET, and the paths that are asked in turn,
-- where there are several. `{number}` in the body is another number in each request.
init = function(arguments)
  if arguments[1] then
    wrk.method, wrk.body = arguments[1], arguments[2]
  end
  local paths = {table.unpack and table.unpack(arguments, 3) or unpack(arguments, 3)}
  if #paths > 0 then
    local number, body = 0, arguments[2]
    request = function()
      number = number + 1
      return wrk.format(nil, paths[number % #paths + 1], nil, (body:gsub("{number}", number)))
    end
  end
end

-- What wrk reports at the end of a run, as one line of JSON. There is no response() here, and no request() for what is the
-- same each time: they would cost the load generator time with each request.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
