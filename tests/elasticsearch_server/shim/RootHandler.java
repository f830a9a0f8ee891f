package shim;

import java.io.IOException;
import java.util.List;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterName;
import org.elasticsearch.node.Node;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/** The root path: clients and people ask it for the version. The full distribution answers it from a module of its own. */
final class RootHandler implements RestHandler {
    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    public void handleRequest(RestRequest request, RestChannel channel, NodeClient client) throws IOException {
        Build build = Build.current();
        var answer = channel.newBuilder().prettyPrint().startObject();
        answer.field("name", Node.NODE_NAME_SETTING.get(client.settings()));
        answer.field("cluster_name", ClusterName.CLUSTER_NAME_SETTING.get(client.settings()).value());
        answer.startObject("version");
        answer.field("number", build.version()).field("build_flavor", "default").field("build_type", build.type().displayName());
        answer.field("build_hash", build.hash()).field("build_date", build.date()).field("build_snapshot", build.isSnapshot());
        answer.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
        answer.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
        answer.endObject().field("tagline", "You Know, for Search").endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, answer));
    }
}
