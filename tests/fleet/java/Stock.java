import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The last service of the fleet. It knows nothing of OpenTelemetry: the agent does it all. */
public final class Stock {
  private static final Logger LOG = Logger.getLogger("stock");

  public static void main(String[] arguments) throws IOException {
    int port = Integer.parseInt(System.getenv("PORT"));
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.createContext("/stock", Stock::answer);
    server.start();
  }

  private static void answer(HttpExchange exchange) throws IOException {
    LOG.warning("stock is low");
    int status = 200;
    try {
      take(exchange.getRequestURI().getPath());
    } catch (IllegalStateException error) {
      LOG.log(Level.SEVERE, "stock failed", error);
      status = 500;
    }
    exchange.sendResponseHeaders(status, -1);
    exchange.close();
  }

  private static void take(String path) {
    throw new IllegalStateException("nothing left of " + path);
  }
}
