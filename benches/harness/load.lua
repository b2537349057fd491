-- Arguments: the method and the body of every request, where it is not a plain GET.
init = function(arguments)
  if arguments[1] then
    wrk.method, wrk.body = arguments[1], arguments[2]
  end
end

-- What wrk reports at the end of a run, as one line of JSON. There is no request() or response() here: they
-- would cost the load generator time with each request.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
