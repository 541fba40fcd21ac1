import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/** DynamoDB Local with its own options, but on loopback alone: by itself it listens on every interface. */
class Loopback {
    public static void main(String[] args) throws Exception {
        var local = ServerRunner.createServerFromCommandLineArgs(args);
        // It has no option for the address, and shows its server to nobody.
        var field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        for (Connector connector : ((Server) field.get(local)).getConnectors()) {
            var listener = (ServerConnector) connector;
            listener.setHost("127.0.0.1");
            // More than the 50 that Java lets wait: callers who all come at once are not turned away.
            listener.setAcceptQueueSize(1024);
        }
        local.start();
        local.join();
    }
}
