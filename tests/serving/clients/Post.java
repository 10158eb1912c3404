import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Base64;

/** Posts files by one client with its defaults: java Post.java URL (PATH TYPE FILE)... */
class Post {
  public static void main(String[] arguments) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    for (int i = 1; i < arguments.length; i += 3) {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create(arguments[0] + arguments[i]))
              .header("Content-Type", arguments[i + 1])
              .POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[i + 2])))
              .build();
      HttpResponse<byte[]> response =
          client.send(request, HttpResponse.BodyHandlers.ofByteArray());
      String body = Base64.getEncoder().encodeToString(response.body());
      System.out.println(response.statusCode() + " " + body);
    }
  }
}
