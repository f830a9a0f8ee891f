// The ways in which a page sends a request. Each returns the answer, which is JSON.
globalThis.ways = {
  "fetch string": async (url) => (await fetch(url)).json(),
  "fetch URL": async (url) => (await fetch(new URL(url, location.href))).json(),
  "fetch Request": async (url) => (await fetch(new Request(url))).json(),
  "fetch init": async (url) =>
    (await fetch(url, { method: "PUT", headers: { "Content-Type": "application/json" }, body: "{}" })).json(),
  XHR: (url) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("GET", url);
      request.onload = () => resolve(JSON.parse(request.responseText));
      request.onerror = () => reject(new Error(`XHR ${url}`));
      request.send();
    }),
  axios: async (url) => (await axios.get(url)).data,
};

globalThis.sessionOf = (tracker) => (tracker.getSessionID ? tracker.getSessionID() : tracker.sessionID());

// Begins or goes on with a session, and returns its id as soon as it is another one than `before`.
globalThis.begin = async (tracker, before, start) => {
  await start(tracker);
  while (!sessionOf(tracker) || sessionOf(tracker) === before) await new Promise((resolve) => setTimeout(resolve, 5));
  return sessionOf(tracker);
};
