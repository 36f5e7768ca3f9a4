// A JVM at work for as many seconds as its argument says: code that is compiled while it runs, threads,
// garbage, files, sockets and processes.
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

public class Work {
    interface Task { boolean run(long round) throws Exception; }

    static boolean compiled(long round) {
        long seed = round;
        long sum = LongStream.range(0, 20000).map(i -> (i * i + seed) % 1000003).sum();
        long again = 0;
        for (long i = 0; i < 20000; i++)
            again += (i * i + seed) % 1000003;
        return sum == again;
    }

    static boolean garbage(long round) {
        Map<String, List<Integer>> map = new HashMap<>();
        for (int i = 0; i < 5000; i++)
            map.computeIfAbsent("key" + i % 97, key -> new ArrayList<>()).add(i);
        return map.values().stream().mapToInt(List::size).sum() == 5000;
    }

    static boolean files(long round) throws IOException {
        Path file = Files.createTempFile(Path.of("."), "work", ".txt");
        String text = "line " + round + "\n";
        Files.writeString(file, text.repeat(100));
        boolean right = Files.readAllLines(file).size() == 100 && Files.size(file) == 100L * text.length();
        Files.delete(file);
        return right;
    }

    static boolean sockets(long round) throws Exception {
        try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
            Thread answer = new Thread(() -> {
                try (Socket socket = server.accept()) {
                    socket.getInputStream().transferTo(socket.getOutputStream());
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
            answer.start();
            byte[] text = ("round " + round).getBytes(StandardCharsets.UTF_8);
            try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
                socket.getOutputStream().write(text);
                socket.shutdownOutput();
                boolean right = Arrays.equals(socket.getInputStream().readAllBytes(), text);
                answer.join();
                return right;
            }
        }
    }

    static boolean processes(long round) throws Exception {
        Process process = new ProcessBuilder("/bin/echo", "round", Long.toString(round)).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return process.waitFor() == 0 && text.equals("round " + round + "\n");
    }

    public static void main(String[] arguments) throws Exception {
        long end = System.nanoTime() + Long.parseLong(arguments[0]) * 1_000_000_000L;
        Task[] tasks = {Work::compiled, Work::garbage, Work::files, Work::sockets, Work::processes};
        AtomicLong rounds = new AtomicLong(), wrong = new AtomicLong();
        ExecutorService pool = Executors.newFixedThreadPool(tasks.length);
        List<Future<?>> futures = new ArrayList<>();
        for (Task task : tasks)
            futures.add(pool.submit(() -> {
                do {
                    if (!task.run(rounds.incrementAndGet()))
                        wrong.incrementAndGet();
                } while (System.nanoTime() < end);
                return null;
            }));
        // One that fails ends it all, when the others have come to their ends.
        pool.shutdown();
        for (Future<?> future : futures)
            future.get();
        System.out.println("wrong " + wrong);
        System.err.println(rounds + " rounds");
    }
}
