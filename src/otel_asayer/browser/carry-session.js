/*! otel-asayer, Apache-2.0 */
/*
 * Puts the requests of a page into the session that its tracker records, Asayer's or OpenReplay's:
 *
 *   const sessionId = carrySession(tracker, { origins: ["https://api.shop.example"] });
 *
 * `sessionId()` returns the current id. The options and their defaults:
 *
 *   origins: []                  more origins that may know the session; the page's own always may
 *   header: "X-Session-Id"       carries the id, never the token
 *   baggage: false               true also sends `baggage: session.id=…`, for other SDKs
 *   cookie: "asayer_session_id"  carries the id where no script can set a header; "" for none
 *   seconds: 30                  lifetime of the cookie after a click, a submit or the page's end
 *   errors: true                 makes each 5xx answer an event of the replay, "backend error"
 *   skip: (url) => false         returns true for a URL object whose requests must stay as they are
 *
 * Nothing that fails in here may fail a request of the page: hence `attempt`.
 */
(() => {
  "use strict";

  // A second copy on the same page must not wrap what the first one has wrapped.
  if (globalThis.carrySession) return;

  const ID = /^[1-9]\d{0,19}$/;
  // id.expiry.signature, and since OpenReplay 1.9 id.delay.expiry.signature: numbers in base 36,
  // of which the delay may be negative.
  const TOKEN = /^([\da-z]{1,13})(?:\.-?[\da-z]+)?\.([\da-z]+)\.\w+$/;

  // Of the last call of carrySession.
  let tracker, settings, origins;

  const attempt = (work) => {
    try {
      return work();
    } catch {
      return undefined;
    }
  };

  const idOfToken = (token) => {
    const [, id, expiry] = TOKEN.exec(token);
    // The server answers an expired token with a new session, so this one's id would be wrong.
    if (parseInt(expiry, 36) < Date.now()) return undefined;
    // A BigInt, because the id exceeds what a number holds exactly.
    return String([...id].reduce((sum, digit) => sum * 36n + BigInt(parseInt(digit, 36)), 0n));
  };

  // @openreplay/tracker knows the id from start() on. @asayerio/tracker has no such method.
  const recordedId = () => (tracker.getSessionID ? tracker.getSessionID() : tracker.sessionID());

  // Read anew for each request, because a tracker can start a new session while the page is open.
  // Until start() has resolved, only the token tells the session. The tracker keeps it in the tab's
  // storage, so it is there from the tab's second page on.
  const sessionId = () => {
    for (const read of [recordedId, () => idOfToken(tracker.getSessionToken())]) {
      const id = attempt(read);
      if (typeof id === "string" && ID.test(id)) return id;
    }
    return undefined;
  };

  // Returns the URL of a request that may know the session, else undefined. `url` is a Request's,
  // and `instanceof` would miss the Request of another frame.
  const allowed = (input) => {
    const url = new URL(typeof input.url === "string" ? input.url : input, document.baseURI);
    const own = url.origin === location.origin || origins.includes(url.origin);
    return own && /^https?:$/.test(url.protocol) && !settings.skip(url) ? url : undefined;
  };

  // Adds our headers to those of a request. The application's own stay.
  const add = (has, baggage, set) => {
    const id = sessionId();
    if (!id) return;
    if (!has(settings.header)) set(settings.header, id);
    if (settings.baggage && !/(^|,)\s*session\.id\s*=/.test(baggage)) {
      set("baggage", `session.id=${id}`);
    }
  };

  const addTo = (headers) =>
    add(
      (name) => headers.has(name),
      headers.get("baggage"),
      (name, value) => headers.append(name, value),
    );

  const isPlain = (init) =>
    init == null || [Object.prototype, null].includes(Object.getPrototypeOf(init));

  // Returns the arguments of fetch() with our headers.
  const carrying = (input, init) => {
    if (typeof input.url !== "string" && isPlain(init)) {
      const headers = new Headers(init?.headers);
      addTo(headers);
      return [input, { ...init, headers }];
    }
    // fetch() makes this copy of a Request as well. The application's own object does not change.
    const request = new Request(input, init);
    attempt(() => addTo(request.headers));
    return [request];
  };

  // `address` is the answer's: a redirect may have led to somebody else.
  const report = (status, method, address, traceresponse) => {
    const url = settings.errors && status >= 500 && allowed(address);
    if (!url) return;
    const [, trace_id] = /^[\da-f]{2}-([\da-f]{32})-/.exec(traceresponse) || [];
    const payload = { status, method, path: url.pathname, trace_id };
    // A tracker drops the events that come before its start.
    const tell = (tries) => {
      if (tries && !attempt(recordedId)) setTimeout(tell, 250, tries - 1);
      else attempt(() => tracker.event("backend error", payload));
    };
    tell(40);
  };

  const wrapFetch = () => {
    const plain = globalThis.fetch;
    globalThis.fetch = function fetch(...args) {
      const [input, init] = args;
      if (!attempt(() => allowed(input))) return plain.apply(this, args);
      const method = attempt(() => String(init?.method || input.method || "GET").toUpperCase());
      const answer = plain.apply(this, attempt(() => carrying(input, init)) || args);
      const reporting = (response) => {
        attempt(() =>
          report(response.status, method, response.url, response.headers.get("traceresponse")),
        );
        return response;
      };
      // The promise behind it, in place of `answer`: a failure that nobody handles stays visible.
      return attempt(() => answer.then(reporting)) || answer;
    };
  };

  const wrapXMLHttpRequest = () => {
    const requests = new WeakMap();
    const { prototype } = XMLHttpRequest;
    const { open, setRequestHeader, send } = prototype;

    prototype.open = function (...args) {
      attempt(() => {
        const [method, url] = args.map(String);
        requests.set(this, { method: method.toUpperCase(), url: allowed(url), headers: {} });
      });
      return open.apply(this, args);
    };

    // Setting a header twice joins both values, so we must know which ones the application has set.
    prototype.setRequestHeader = function (...args) {
      attempt(() => {
        const [name, value] = args.map(String);
        requests.get(this).headers[name.toLowerCase()] = value;
      });
      return setRequestHeader.apply(this, args);
    };

    prototype.send = function (...args) {
      attempt(() => {
        const { method, url, headers } = requests.get(this);
        if (!url) return;
        const done = () => {
          // getResponseHeader() logs an error where another origin does not expose the header.
          const [, trace] = /^traceresponse: *(\S+)/im.exec(this.getAllResponseHeaders()) || [];
          report(this.status, method, this.responseURL, trace);
        };
        this.addEventListener("loadend", () => attempt(done), { once: true });
        add(
          (name) => name.toLowerCase() in headers,
          headers.baggage,
          (...header) => setRequestHeader.apply(this, header),
        );
      });
      return send.apply(this, args);
    };
  };

  // For navigations and forms. The cookie is set when one may begin and lives for seconds: one that
  // stays would put a tab that is opened later into this session.
  const setCookie = () => {
    const id = settings.cookie && sessionId();
    if (!id) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    const { cookie, seconds } = settings;
    document.cookie = `${cookie}=${id}; Path=/; Max-Age=${seconds}; SameSite=Lax${secure}`;
  };

  const originOf = (text) => {
    const url = attempt(() => new URL(text));
    if (!url) console.warn(`carrySession: "${text}" is no origin such as https://api.shop.example`);
    return url?.origin;
  };

  globalThis.carrySession = (itsTracker, options) => {
    if (typeof document === "undefined") return () => undefined; // the page is rendered on a server
    const isFirst = !settings;
    tracker = itsTracker;
    settings = {
      header: "X-Session-Id",
      baggage: false,
      cookie: "asayer_session_id",
      seconds: 30,
      errors: true,
      skip: () => false,
      ...options,
    };
    origins = [settings.origins || []].flat().map(originOf);
    if (isFirst) {
      wrapFetch();
      wrapXMLHttpRequest();
      // `beforeunload` comes before the request for the next page, `pagehide` would come too late.
      for (const type of ["click", "auxclick", "submit", "beforeunload"]) {
        addEventListener(type, () => attempt(setCookie), true);
      }
    }
    return sessionId;
  };
})();
