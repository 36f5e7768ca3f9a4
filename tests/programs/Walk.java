import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;

public class Walk {
    public static void main(String[] arguments) throws Exception {
        System.out.println(IntStream.range(0, 100000).parallel().filter(n -> n % 7 == 0).count());
        Thread[] threads = new Thread[8];
        int[] sums = new int[threads.length];
        for (int i = 0; i < threads.length; i++) {
            final int own = i;
            threads[i] = new Thread(() -> {
                for (int n = 0; n < 100000; n++) {
                    sums[own] += n % (own + 1);
                }
            });
            threads[i].start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        System.out.println(java.util.Arrays.toString(sums));
        Path file = Files.writeString(Path.of("file"), "text\n".repeat(1000));
        System.out.println(Files.size(file));
        Process child = new ProcessBuilder("sh", "-c", "echo child; exit 5").start();
        System.out.print(new String(child.getInputStream().readAllBytes()));
        System.out.println(child.waitFor());
        try {
            Object nothing = null;
            nothing.hashCode();
        } catch (NullPointerException error) {
            System.out.println("caught");
        }
        System.gc();
        try {
            System.out.println(deep(0));
        } catch (StackOverflowError error) {
            System.out.println("overflow");
        }
        System.exit(3);
    }

    static int deep(int depth) {
        return deep(depth + 1) + 1;
    }
}
