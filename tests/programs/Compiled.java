// What is compiled while it runs, and a few calls: the same ones each time.
import java.nio.file.Files;
import java.nio.file.Path;

public class Compiled {
    public static void main(String[] arguments) throws Exception {
        long sum = 0;
        for (int i = 0; i < 3000000; i++)
            sum += i % 7 * (i ^ sum);
        System.out.println(sum);
        System.out.println(Files.readAllLines(Path.of("/etc/passwd")).isEmpty());
    }
}
