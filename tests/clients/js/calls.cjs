// How every JavaScript program here is asked and answers; see python/calls.py.
"use strict";

exports.run = async (make) => {
  const request = JSON.parse(process.argv[2]);
  let client = make(request);
  for (let number = 0; number < request.calls; number++) {
    if (number) {
      await new Promise((awake) => setTimeout(awake, request.pause * 1000));
      if (request.fresh) client = make(request);
    }
    const line = await timed(client);
    console.log(JSON.stringify(line));
    if (request.until_token && !line.error) return;
  }
};

async function timed(client) {
  const start = performance.now();
  const line = await client().then(
    (token) => ({ token }),
    (error) => ({ error: `${error.name}: ${error.message}` }),
  );
  return { ...line, seconds: (performance.now() - start) / 1000 };
}
