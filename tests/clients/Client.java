// Java's own HTTP client, run as a single file: java Client.java URL EXAMPLES
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;

public class Client {
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static HttpResponse<String> post(String url, Path file) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(url + "/v1/gradients"))
                .header("content-type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofFile(file))
                .build();
        return CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
    }

    static void judge(String name, boolean good, String why) {
        System.out.println(good ? "ok " + name : "FAILED " + name + ": " + why);
    }

    public static void main(String[] arguments) throws Exception {
        var reply = post(arguments[0], Path.of(arguments[1], "lecture.json"));
        judge("gradients of the lecture's network", reply.statusCode() == 200 && reply.body().contains("\"gradients\""), reply.body());
        var bad = post(arguments[0], Path.of("tests/clients/bad.json"));
        judge("422 with a problem document", bad.statusCode() == 422
                && bad.headers().firstValue("content-type").orElse("").equals("application/problem+json"), bad.body());
        judge("both pointers", bad.body().contains("\"/network/nodes/0/inputs/x9\"")
                && bad.body().contains("\"/network/nodes/1/op\""), bad.body());
    }
}
