/* rendezvous -- all of MPI that weft uses: rank 0's standard input goes to standard output of every rank.
 *
 * weft runs this program once, when it was started by mpirun or srun. A line "RANK SIZE HERE CORES" comes first: how
 * many ranks this machine has, and this one's share of the cores that it may use. So weft itself links no MPI library,
 * and no library that ends the job with a process that dies is loaded while it computes.
 *
 *   make mpi      builds it for Open MPI and MPICH, where their compilers are
 */
#define _GNU_SOURCE /* for sched_getaffinity */
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 8192 };

/* Where a rank is: its machine, and the cores that the launcher left it. */
typedef struct Place {
    char host[64], boot[40]; /* which tells apart two machines of one name */
    cpu_set_t cores;
} Place;

static Place own_place(void) {
    Place place;
    memset(&place, 0, sizeof place);
    gethostname(place.host, sizeof place.host - 1);
    FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (boot && !fgets(place.boot, sizeof place.boot, boot)) place.boot[0] = '\0';
    if (boot) fclose(boot);
    if (sched_getaffinity(0, sizeof place.cores, &place.cores) != 0) CPU_SET(0, &place.cores);
    return place;
}

/* A core that several ranks may use counts as a part for each of them. */
static void find_share(const Place *places, int rank, int size, int *here, int *cores) {
    double share = 0;
    *here = 0;
    for (int i = 0; i < size; i++)
        *here += strcmp(places[i].host, places[rank].host) == 0 && strcmp(places[i].boot, places[rank].boot) == 0;
    for (size_t core = 0; core < CPU_SETSIZE; core++) {
        int users = 0;
        for (int i = 0; i < size && CPU_ISSET(core, &places[rank].cores); i++)
            users += CPU_ISSET(core, &places[i].cores) && strcmp(places[i].host, places[rank].host) == 0 &&
                     strcmp(places[i].boot, places[rank].boot) == 0;
        if (users > 0) share += 1.0 / users;
    }
    *cores = share < 1 ? 1 : (int)(share + 1e-6);
}

int main(int argc, char **argv) {
    static char text[TEXT_MAX];
    int rank, size, here, cores, length = 0;
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0) length = (int)fread(text, 1, TEXT_MAX, stdin);
    MPI_Bcast(&length, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Bcast(text, length, MPI_CHAR, 0, MPI_COMM_WORLD);
    Place own = own_place(), *places = calloc((size_t)size, sizeof *places);
    if (!places) return 1;
    MPI_Allgather(&own, sizeof own, MPI_BYTE, places, sizeof own, MPI_BYTE, MPI_COMM_WORLD);
    MPI_Finalize();
    find_share(places, rank, size, &here, &cores);
    free(places);
    printf("%d %d %d %d\n", rank, size, here, cores);
    fwrite(text, 1, (size_t)length, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}
